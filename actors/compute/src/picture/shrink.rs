//! Fewer pixels of more: each new one is the mean of what it covers. Rows come one by one and are not kept.

use super::Pixels;
use super::Size;

/// A picture that is being made smaller.
pub(super) struct Shrink {
    from: Size,
    to: Size,
    /// For each column that comes: into which column it goes, and how much of it goes into the next one.
    columns: Vec<(usize, f32, f32)>,
    /// The row that comes, in fewer columns.
    narrow: Vec<f32>,
    /// The row that is being made.
    sum: Vec<f32>,
    /// How many rows came.
    taken: u32,
    made: Vec<u8>,
}

impl Shrink {
    /// Neither side of `to` is longer than that of `from`.
    pub(super) fn new(from: Size, to: Size) -> Self {
        let columns = (0..from.width).map(|x| share(x, from.width, to.width));
        let width = length(to.width) * 3;
        Self {
            from,
            to,
            columns: columns.collect(),
            narrow: vec![0.0; width + 3],
            sum: vec![0.0; width],
            taken: 0,
            made: Vec::with_capacity(width * length(to.height)),
        }
    }

    /// Takes the next row, three bytes a pixel.
    pub(super) fn row(&mut self, row: &[u8]) {
        self.narrow.fill(0.0);
        for ([r, g, b], (at, here, next)) in row.as_chunks::<3>().0.iter().zip(&self.columns) {
            let (r, g, b) = (f32::from(*r), f32::from(*g), f32::from(*b));
            let place = self.narrow.get_mut(at * 3..at * 3 + 6);
            if let Some([r0, g0, b0, r1, g1, b1]) = place {
                *r0 += r * here;
                *g0 += g * here;
                *b0 += b * here;
                *r1 += r * next;
                *g1 += g * next;
                *b1 += b * next;
            }
        }
        let (at, here, next) = share(self.taken, self.from.height, self.to.height);
        for (sum, part) in self.sum.iter_mut().zip(&self.narrow) {
            *sum += part * here;
        }
        self.taken += 1;
        // The row is whole when the one that comes next goes into another.
        let following = share(self.taken, self.from.height, self.to.height).0;
        if following > at || self.taken == self.from.height {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            // `as` keeps to the bounds
            let bytes = self.sum.iter().map(|sum| (sum + 0.5) as u8);
            self.made.extend(bytes);
            for (sum, part) in self.sum.iter_mut().zip(&self.narrow) {
                *sum = part * next;
            }
        }
    }

    pub(super) fn finish(mut self) -> Pixels {
        // What did not come stays white.
        self.made
            .resize(length(self.to.width) * 3 * length(self.to.height), 255);
        Pixels {
            size: self.to,
            bytes: self.made,
        }
    }
}

/// Into which of `to` parts the part `at` of `from` goes, with which weight, and with which into the one after it.
#[allow(clippy::cast_precision_loss)] // shares of whole numbers, exact before the division
fn share(at: u32, from: u32, to: u32) -> (usize, f32, f32) {
    let (at, from, to) = (u64::from(at), u64::from(from), u64::from(to));
    let begin = at * to;
    let first = begin / from;
    let here = ((first + 1) * from - begin).min(to);
    let share = |part: u64| part as f32 / from as f32;
    (
        usize::try_from(first).unwrap_or(usize::MAX),
        share(here),
        share(to - here),
    )
}

fn length(side: u32) -> usize {
    usize::try_from(side).unwrap_or(usize::MAX)
}
