//! A way to a gateway that listens on its own machine only: `ssh`, as a child that dies with this process.

use std::net::TcpListener;
use std::time::Duration;

use openclaw_runtime::child::Job;
use openclaw_runtime::child::Running;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;

/// How often the near end is tried while `ssh` logs in.
const STEP: Duration = Duration::from_millis(20);

/// Where the far end is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ssh {
    /// `user@host`, or `user@host:port`.
    pub(crate) target: String,
    /// The key to log in with, when it isn't the usual one.
    pub(crate) identity: Option<String>,
    /// The gateway's port over there.
    pub(crate) port: u16,
}

/// An open tunnel; it closes when this is dropped.
#[derive(Debug)]
pub(super) struct Tunnel {
    _ssh: Running,
    /// The address of the near end.
    pub(super) url: String,
}

impl Ssh {
    /// Opens the tunnel and waits until its near end listens.
    pub(super) async fn open(&self, deadline: Instant) -> CommandResult<Tunnel> {
        let failed = |what: String| {
            CommandError::new(
                Kind::Connect,
                format!("no tunnel to {} by ssh: {what}", self.target),
            )
            .hint(format!("try it by hand: ssh {} true", self.target))
            .hint("where it goes: openclaw config get gateway.remote")
        };
        let near = free_port().map_err(|error| failed(error.to_string()))?;
        let ssh = Job::new("ssh", self.words(near)).with_errors().start();
        let ssh = ssh.map_err(|error| failed(error.to_string()))?;
        while TcpStream::connect(("127.0.0.1", near)).await.is_err() {
            if ssh.is_over() {
                return Err(failed("ssh ended; what it said is above".to_owned()));
            }
            if Instant::now() > deadline {
                return Err(failed("it did not open in time".to_owned()));
            }
            tokio::time::sleep(STEP).await;
        }
        let url = format!("ws://127.0.0.1:{near}");
        Ok(Tunnel { _ssh: ssh, url })
    }

    fn words(&self, near: u16) -> Vec<String> {
        let (host, port) = match self.target.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => (host, Some(port)),
            _ => (self.target.as_str(), None),
        };
        let mut words: Vec<String> = [
            "-N",
            // Nobody is there to answer a question, and a tunnel without its port is none.
            "-o",
            "BatchMode=yes",
            "-o",
            "ExitOnForwardFailure=yes",
            "-L",
        ]
        .map(str::to_owned)
        .into();
        words.push(format!("127.0.0.1:{near}:127.0.0.1:{}", self.port));
        if let Some(port) = port {
            words.extend(["-p".to_owned(), port.to_owned()]);
        }
        if let Some(identity) = &self.identity {
            words.extend(["-i".to_owned(), identity.clone()]);
        }
        // A name is no option, whatever it begins with.
        words.extend(["--".to_owned(), host.to_owned()]);
        words
    }
}

fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_told_where_by_which_key_and_nothing_else() {
        let ssh = Ssh {
            target: "ann@home:2222".to_owned(),
            identity: Some("/key".to_owned()),
            port: 18789,
        };
        let words = ssh.words(4000).join(" ");
        assert_eq!(
            words,
            "-N -o BatchMode=yes -o ExitOnForwardFailure=yes -L 127.0.0.1:4000:127.0.0.1:18789 \
             -p 2222 -i /key -- ann@home"
        );
    }
}
