//! A small disk that can be filled: a tmpfs of its own, so that "no space left" is the kernel's word and hits nobody else.

use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// A mounted tmpfs; it is unmounted when dropped.
#[derive(Debug)]
pub struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Mounts one of `megabytes` at `at`; none where the system doesn't allow it (it takes root).
    pub fn mount(at: &Path, megabytes: u64) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a folder to mount on");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=700")])
            .arg("openclaw-test")
            .arg(at)
            .output();
        mounted
            .is_ok_and(|done| done.status.success())
            .then(|| Self { at: at.to_owned() })
    }

    /// Takes what is left.
    pub fn fill(&self) {
        let file = File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .expect("the filler");
        let mut step: u64 = 1 << 30;
        let mut length = file.metadata().expect("its size").len();
        while step >= 4096 {
            match rustix::fs::fallocate(&file, FallocateFlags::empty(), length, step) {
                Ok(()) => length += step,
                Err(Errno::NOSPC) => step /= 2,
                Err(error) => panic!("the disk can't be filled: {error}"),
            }
        }
    }

    /// Gives it back.
    pub fn free(&self) {
        drop(std::fs::remove_file(self.filler()));
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.at).status());
    }
}
