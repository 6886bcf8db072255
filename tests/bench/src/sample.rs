//! Percentiles of a series of durations.

use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    pub(crate) fn push(&mut self, value: Duration) {
        self.0.push(value);
    }

    pub(crate) fn extend(&mut self, other: Sample) {
        self.0.extend(other.0);
    }

    /// The value that `per_mille` of the series do not exceed.
    pub(crate) fn at(&mut self, per_mille: usize) -> Duration {
        self.0.sort_unstable();
        let index = (self.0.len() * per_mille / 1000).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().unwrap_or_default()
    }
}

impl FromIterator<Duration> for Sample {
    fn from_iter<I: IntoIterator<Item = Duration>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// Milliseconds with three places.
pub(crate) fn ms(value: Duration) -> String {
    format!("{:.3} ms", value.as_secs_f64() * 1e3)
}
