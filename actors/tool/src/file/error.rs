//! Why something on files was not done, as the model reads it.

use std::io;

/// Why something on files was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("a path is needed")]
    NoPath,
    #[error("{0} is not a path that can be used")]
    Malformed(String),
    #[error(
        "{0} is outside the workspace, and files elsewhere are off limits here (tools.fs.workspaceOnly)"
    )]
    Outside(String),
    #[error("{0} belongs to the gateway itself and is off limits")]
    Closed(String),
    #[error("{0}: {1}")]
    Held(String, &'static str),
    #[error("there is no {0}")]
    Missing(String),
    #[error("{0} is a link that leads nowhere")]
    Dangling(String),
    #[error("{0} is a folder; list it with ls")]
    Folder(String),
    #[error("{0} is not a folder")]
    NotAFolder(String),
    #[error("{0} is not an ordinary file")]
    NotAFile(String),
    #[error("{0} was replaced by a link in the meantime; nothing was done")]
    Swapped(String),
    #[error(
        "{path} has {size} bytes, more than the {most} that are taken at once; use exec to look at a part of it"
    )]
    TooLarge { path: String, size: u64, most: u64 },
    #[error("{0} is not text")]
    NotText(String),
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
}

impl FileError {
    pub(super) fn io(path: &str, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing(path),
            io::ErrorKind::NotADirectory => Self::NotAFolder(path),
            _ => Self::Io { path, source },
        }
    }
}
