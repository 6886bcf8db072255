//! Chance that can be had again: everything random in a test comes from one printed seed.

/// A source of numbers (SplitMix64: short, and the same everywhere).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From `$OPENCLAW_SEED`, else from the clock; prints it, so that the run can be had again.
    pub fn from_environment(what: &str) -> Self {
        let given = std::env::var("OPENCLAW_SEED").ok();
        let seed = given.map_or_else(fresh, |text| {
            text.parse().expect("OPENCLAW_SEED is a number")
        });
        println!("{what}: OPENCLAW_SEED={seed}");
        Self(seed)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `from..until`.
    pub fn between(&mut self, from: u64, until: u64) -> u64 {
        from + self.roll() % (until - from)
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = usize::try_from(self.roll() % from.len() as u64).expect("an index");
        &from[at]
    }

    /// One of the things, each as often as its weight says.
    pub fn weigh<'a, T>(&mut self, from: &'a [(u64, T)]) -> &'a T {
        let total: u64 = from.iter().map(|(weight, _)| weight).sum();
        let mut at = self.roll() % total;
        for (weight, thing) in from {
            if at < *weight {
                return thing;
            }
            at -= weight;
        }
        unreachable!("the weights were added up")
    }

    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for at in (1..things.len()).rev() {
            let other = usize::try_from(self.roll() % (at as u64 + 1)).expect("an index");
            things.swap(at, other);
        }
    }
}

fn fresh() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |since| u64::from(since.subsec_nanos()))
}
