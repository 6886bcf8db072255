//! Blocks of 64 numbers: how they are read, and the pixels they stand for.

use super::bits::Bits;
use super::bits::Codes;

/// The numbers of a block, row by row.
pub(super) type Block = [i16; 64];

/// Where the numbers of a block belong, in the order in which they are stored.
pub(super) const ORDER: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Which of the numbers a pass holds, and which of their bits.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) first: u8,
    pub(super) last: u8,
    /// The bit that was read before; 0 for none.
    pub(super) high: u8,
    pub(super) low: u8,
}

fn place(block: &mut Block, at: u8) -> Option<&mut i16> {
    block.get_mut(usize::from(*ORDER.get(usize::from(at))?))
}

fn narrow(number: i32) -> i16 {
    #[allow(clippy::cast_possible_truncation)] // damaged pictures have any number
    {
        number as i16
    }
}

/// The difference of a block's mean to the one before it.
fn mean(bits: &mut Bits<'_>, codes: &Codes, before: &mut i32) -> Option<i32> {
    let length = bits.value(codes)?;
    *before = before.wrapping_add(bits.signed(length)?);
    Some(*before)
}

/// A block that is stored at once.
pub(super) fn whole(
    bits: &mut Bits<'_>,
    means: &Codes,
    details: &Codes,
    before: &mut i32,
    block: &mut Block,
) -> Option<()> {
    *place(block, 0)? = narrow(mean(bits, means, before)?);
    let mut at = 1;
    while at < 64 {
        let code = bits.value(details)?;
        let (skipped, length) = (code >> 4, code & 15);
        match (skipped, length) {
            (15, 0) => at += 16,
            (_, 0) => break,
            _ => {
                at += skipped;
                *place(block, at)? = narrow(bits.signed(length)?);
                at += 1;
            }
        }
    }
    Some(())
}

/// A pass over the mean of a block.
pub(super) fn pass_mean(
    bits: &mut Bits<'_>,
    means: &Codes,
    span: Span,
    before: &mut i32,
    block: &mut Block,
) -> Option<()> {
    if span.high == 0 {
        let mean = mean(bits, means, before)?;
        *place(block, 0)? = narrow(mean.wrapping_shl(span.low.into()));
    } else if bits.bit()? {
        *place(block, 0)? |= 1 << span.low;
    }
    Some(())
}

/// A first pass over the details of a block. `idle` says how many blocks have none.
pub(super) fn pass_details(
    bits: &mut Bits<'_>,
    details: &Codes,
    span: Span,
    idle: &mut u32,
    block: &mut Block,
) -> Option<()> {
    if *idle > 0 {
        *idle -= 1;
        return Some(());
    }
    let mut at = span.first;
    while at <= span.last {
        let code = bits.value(details)?;
        let (skipped, length) = (code >> 4, code & 15);
        match (skipped, length) {
            (15, 0) => at += 16,
            (run, 0) => {
                *idle = (1 << run) - 1 + bits.number(run)?;
                break;
            }
            _ => {
                at += skipped;
                *place(block, at)? = narrow(bits.signed(length)?.wrapping_shl(span.low.into()));
                at += 1;
            }
        }
    }
    Some(())
}

/// A later pass over the details of a block, one bit of each.
pub(super) fn refine_details(
    bits: &mut Bits<'_>,
    details: &Codes,
    span: Span,
    idle: &mut u32,
    block: &mut Block,
) -> Option<()> {
    let one = 1_i16 << span.low;
    let mut at = span.first;
    // Those that are not nought yet get a bit each, whatever else happens.
    let refine = |bits: &mut Bits<'_>, number: &mut i16| {
        if bits.bit()? && *number & one == 0 {
            *number = number.wrapping_add(if *number > 0 { one } else { -one });
        }
        Some(())
    };
    if *idle == 0 {
        while at <= span.last {
            let code = bits.value(details)?;
            let (mut skipped, length) = (code >> 4, code & 15);
            let number = match (skipped, length) {
                (15, 0) => 0,
                (run, 0) => {
                    *idle = (1 << run) + bits.number(run)?;
                    break;
                }
                _ if bits.bit()? => one,
                _ => -one,
            };
            while at <= span.last {
                let place = place(block, at)?;
                at += 1;
                if *place != 0 {
                    refine(bits, place)?;
                } else if skipped == 0 {
                    *place = number;
                    break;
                } else {
                    skipped -= 1;
                }
            }
        }
    }
    if *idle > 0 {
        *idle -= 1;
        while at <= span.last {
            let place = place(block, at)?;
            at += 1;
            if *place != 0 {
                refine(bits, place)?;
            }
        }
    }
    Some(())
}

/// A whole number that stands for a fraction of 4096.
const fn part(fraction: f32) -> i32 {
    #[allow(clippy::cast_possible_truncation)] // all of them are below 4
    {
        (fraction * 4096.0 + if fraction < 0.0 { -0.5 } else { 0.5 }) as i32
    }
}

/// One row or column of the transform, in fractions of 4096: sums and differences to combine.
fn transform(s: [i32; 8]) -> ([i32; 4], [i32; 4]) {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = s;
    let both = (s2 + s6) * part(0.541_196_1);
    let t2 = both + s6 * part(-1.847_759);
    let t3 = both + s2 * part(0.765_366_9);
    let (t0, t1) = ((s0 + s4) * 4096, (s0 - s4) * 4096);
    let even = [t0 + t3, t1 + t2, t1 - t2, t0 - t3];
    let all = (s7 + s3 + s5 + s1) * part(1.175_875_6);
    let p1 = all + (s7 + s1) * part(-0.899_976_2);
    let p2 = all + (s5 + s3) * part(-2.562_915_4);
    let p3 = (s7 + s3) * part(-1.961_570_6);
    let p4 = (s5 + s1) * part(-0.390_180_64);
    let odd = [
        s1 * part(1.501_321_1) + p1 + p4,
        s3 * part(3.072_711) + p2 + p3,
        s5 * part(2.053_12) + p2 + p4,
        s7 * part(0.298_631_34) + p1 + p3,
    ];
    (even, odd)
}

/// The values of eight places from sums and differences, each moved down by so many bits.
fn spread(even: [i32; 4], odd: [i32; 4], round: i32, by: u32) -> [i32; 8] {
    let mut out = [0; 8];
    let (low, high) = out.split_at_mut(4);
    let pairs = even
        .iter()
        .zip(odd)
        .zip(low.iter_mut().zip(high.iter_mut().rev()));
    for ((even, odd), (low, high)) in pairs {
        *low = (even + round + odd) >> by;
        *high = (even + round - odd) >> by;
    }
    out
}

/// The 64 samples of a block, row by row.
pub(super) fn samples(block: &Block, coarseness: &[u16; 64]) -> [[u8; 8]; 8] {
    let mut numbers = [0_i32; 64];
    for ((number, stored), coarse) in numbers.iter_mut().zip(block).zip(coarseness) {
        // More than a picture holds, and less than the sums below can't take.
        *number = (i32::from(*stored) * i32::from(*coarse)).clamp(-16_384, 16_384);
    }
    let (rows, _) = numbers.as_chunks::<8>();
    let mut columns = [[0_i32; 8]; 8];
    for (x, column) in columns.iter_mut().enumerate() {
        let mut from = [0; 8];
        for (number, row) in from.iter_mut().zip(rows) {
            *number = row.get(x).copied().unwrap_or(0);
        }
        let (even, odd) = transform(from);
        *column = spread(even, odd, 512, 10).map(|number| number.clamp(-32_768, 32_767));
    }
    let mut out = [[0; 8]; 8];
    for (y, row) in out.iter_mut().enumerate() {
        let from = columns.map(|column| column.get(y).copied().unwrap_or(0));
        let (even, odd) = transform(from);
        let made = spread(even, odd, 65_536 + (128 << 17), 17);
        *row = made.map(|sample| u8::try_from(sample.clamp(0, 255)).unwrap_or(0));
    }
    out
}
