//! What the kernel says of a process.

use std::time::{Duration, Instant};

/// Memory of a process in KiB, from `/proc/<pid>/smaps_rollup`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) rss: u64,
    pub(crate) pss: u64,
}

pub(crate) fn memory(pid: u32) -> Memory {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let field = |name: &str| {
        text.lines()
            .find_map(|line| {
                line.strip_prefix(name)?
                    .trim()
                    .strip_suffix("kB")?
                    .trim()
                    .parse()
                    .ok()
            })
            .unwrap_or_default()
    };
    Memory {
        rss: field("Rss:"),
        pss: field("Pss:"),
    }
}

/// CPU time a process has used, user and system, from `/proc/<pid>/stat` (clock ticks of 10 ms).
pub(crate) fn cpu(pid: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = text.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = after
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Time from `started` until something accepts connections on `port`.
pub(crate) fn until_listening(port: u16, started: Instant) -> Duration {
    loop {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return started.elapsed();
        }
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "nothing listens on {port}"
        );
        std::hint::spin_loop();
    }
}
