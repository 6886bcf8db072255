//! The figures as Markdown, with the machine they were taken on.

use std::fmt;
use std::fs;
use std::io;

#[derive(Debug, Default)]
pub(crate) struct Table(Vec<[String; 3]>);

impl Table {
    /// Adds a row: what, how much, and the target (or "").
    pub(crate) fn row(&mut self, what: &str, figure: impl Into<String>, target: &str) {
        self.0.push([what.into(), figure.into(), target.into()]);
    }

    /// Replaces what stands between the two marks of the page.
    pub(crate) fn write(&self, path: &str) -> io::Result<()> {
        const MARKS: [&str; 2] = ["<!-- figures -->", "<!-- end of figures -->"];
        let page = fs::read_to_string(path)?;
        let missing = || io::Error::other(format!("{path} lacks the marks {MARKS:?}"));
        let (before, rest) = page.split_once(MARKS[0]).ok_or_else(missing)?;
        let (_, after) = rest.split_once(MARKS[1]).ok_or_else(missing)?;
        fs::write(
            path,
            format!("{before}{}\n\n{self}\n{}{after}", MARKS[0], MARKS[1]),
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Machine: {}\n", machine())?;
        writeln!(f, "| what | measured | target |\n|---|---|---|")?;
        for [what, figure, target] in &self.0 {
            writeln!(f, "| {what} | {figure} | {target} |")?;
        }
        Ok(())
    }
}

fn machine() -> String {
    let first = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(|rest| rest.trim_start_matches([' ', '\t', ':']).trim().to_owned())
            .unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{cores} cores, {}, {} of memory, Linux {}, load before the run {}",
        first("/proc/cpuinfo", "model name"),
        first("/proc/meminfo", "MemTotal"),
        kernel.trim(),
        load.split(' ').next().unwrap_or_default(),
    )
}
