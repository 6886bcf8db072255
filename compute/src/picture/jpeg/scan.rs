//! The passes of a JPEG: which blocks come when, and the rows they form.

use super::Decoder;
use super::bits::Bits;
use super::bits::Codes;
use super::block;
use super::block::Block;
use super::block::Span;
use crate::picture::HELD;
use crate::picture::PictureError;
use crate::picture::Rows;
use crate::picture::Size;

/// The picture as its header has it.
pub(super) struct Frame {
    pub(super) size: Size,
    pub(super) progressive: bool,
    pub(super) parts: Vec<Part>,
    /// Blocks of the finest part in a group, across and down.
    most: (u32, u32),
    /// Groups, across and down.
    groups: (u32, u32),
    /// The blocks of each part, where not all of them come at once.
    held: Vec<Vec<Block>>,
}

/// One of the parts that make colours.
pub(super) struct Part {
    pub(super) name: u8,
    /// Blocks in a group, across and down.
    across: u32,
    down: u32,
    coarseness: u8,
}

/// One pass.
pub(super) struct Scan {
    pub(super) parts: Vec<Taken>,
    span: Span,
}

/// A part that comes in a pass, and the numbers of its codes.
#[derive(Clone, Copy)]
pub(super) struct Taken {
    at: usize,
    means: u8,
    details: u8,
}

/// What is known from the blocks before.
struct Run<'j> {
    bits: Bits<'j>,
    before: [i32; 4],
    idle: u32,
    left: u32,
}

const DAMAGED: PictureError = PictureError::Damaged("its pixels are cut");

impl Frame {
    pub(super) fn read(content: &[u8], progressive: bool) -> Result<Self, PictureError> {
        let damaged = PictureError::Damaged("its header");
        let [depth, h0, h1, w0, w1, count, parts @ ..] = content else {
            return Err(damaged);
        };
        if *depth != 8 {
            return Err(PictureError::Foreign("a JPEG of more than eight bits"));
        }
        let size = Size {
            width: u16::from_be_bytes([*w0, *w1]).into(),
            height: u16::from_be_bytes([*h0, *h1]).into(),
        };
        let size = size.checked()?;
        let parts = parts.as_chunks::<3>().0.iter().take((*count).into());
        let mut parts: Vec<Part> = parts
            .map(|[name, factors, coarseness]| Part {
                name: *name,
                across: u32::from(factors >> 4),
                down: u32::from(factors & 15),
                coarseness: *coarseness,
            })
            .collect();
        if let [alone] = &mut *parts {
            // Whatever its factors are, its blocks come row by row.
            (alone.across, alone.down) = (1, 1);
        }
        let fits = |part: &Part| (1..=4).contains(&part.across) && (1..=4).contains(&part.down);
        if parts.len() != usize::from(*count)
            || !matches!(*count, 1 | 3 | 4)
            || !parts.iter().all(fits)
        {
            return Err(damaged);
        }
        let most = |of: fn(&Part) -> u32| parts.iter().map(of).max().unwrap_or(1);
        let most = (most(|part| part.across), most(|part| part.down));
        let groups = (
            size.width.div_ceil(8 * most.0),
            size.height.div_ceil(8 * most.1),
        );
        Ok(Self {
            size,
            progressive,
            parts,
            most,
            groups,
            held: Vec::new(),
        })
    }

    /// The blocks of a part in one row of groups.
    fn blocks(&self, part: &Part) -> usize {
        (self.groups.0 * part.across * part.down) as usize
    }

    /// Makes rows of the blocks of one row of groups.
    fn show(
        &self,
        group: u32,
        decoder: &Decoder,
        blocks: &[&[Block]],
        out: Rows<'_>,
    ) -> Result<(), PictureError> {
        let colours = decoder.colours(&self.parts);
        let mut planes: Vec<(usize, Vec<u8>)> = Vec::with_capacity(self.parts.len());
        for (part, blocks) in self.parts.iter().zip(blocks) {
            let width = (self.groups.0 * part.across) as usize;
            let coarseness = decoder.coarseness.get(usize::from(part.coarseness));
            let coarseness = coarseness.ok_or(PictureError::Damaged("its tables"))?;
            let mut plane = vec![0; width * 8 * 8 * part.down as usize];
            for (line, blocks) in plane
                .chunks_exact_mut(width * 64)
                .zip(blocks.chunks_exact(width))
            {
                for (x, stored) in blocks.iter().enumerate() {
                    let samples = block::samples(stored, coarseness);
                    for (row, samples) in line.chunks_exact_mut(width * 8).zip(samples) {
                        if let Some(place) = row.get_mut(x * 8..x * 8 + 8) {
                            place.copy_from_slice(&samples);
                        }
                    }
                }
            }
            planes.push((width * 8, plane));
        }
        let width = self.size.width as usize;
        let first = group * 8 * self.most.1;
        let rows = (8 * self.most.1).min(self.size.height.saturating_sub(first));
        let mut parts: Vec<Vec<u8>> = vec![Vec::with_capacity(width); self.parts.len()];
        let mut row = Vec::with_capacity(width * 3);
        for y in 0..rows {
            for ((part, (stride, plane)), samples) in self.parts.iter().zip(&planes).zip(&mut parts)
            {
                let y = (y * part.down / self.most.1) as usize;
                let line = plane.get(y * stride..(y + 1) * stride).unwrap_or_default();
                samples.clear();
                widen(line, part.across, self.most.0, width, samples);
            }
            row.clear();
            colours.row(&parts, &mut row);
            out(&row)?;
        }
        Ok(())
    }

    /// Makes rows of what is held.
    pub(super) fn show_held(&self, decoder: &Decoder, out: Rows<'_>) -> Result<(), PictureError> {
        for group in 0..self.groups.1 {
            let blocks = self.parts.iter().zip(&self.held).map(|(part, held)| {
                let count = self.blocks(part);
                let from = group as usize * count;
                held.get(from..from + count).unwrap_or_default()
            });
            self.show(group, decoder, &blocks.collect::<Vec<_>>(), out)?;
        }
        Ok(())
    }
}

/// A line of samples as wide as the picture.
fn widen(line: &[u8], across: u32, most: u32, width: usize, out: &mut Vec<u8>) {
    if across == most {
        out.extend(line.iter().take(width));
    } else if across * 2 == most {
        out.extend(line.iter().flat_map(|sample| [*sample; 2]).take(width));
    } else {
        let (across, most) = (across as usize, most as usize);
        let samples = (0..width).filter_map(|x| line.get(x * across / most));
        out.extend(samples);
    }
}

impl Scan {
    pub(super) fn read(content: &[u8], frame: &Frame) -> Result<Self, PictureError> {
        let damaged = PictureError::Damaged("a pass");
        let (count, rest) = content.split_first().ok_or(damaged)?;
        let named = rest.get(..usize::from(*count) * 2).ok_or(damaged)?;
        let [first, last, bits] = *rest.get(named.len()..).ok_or(damaged)? else {
            return Err(damaged);
        };
        let mut parts = Vec::new();
        for [name, codes] in named.as_chunks::<2>().0 {
            let at = frame.parts.iter().position(|part| part.name == *name);
            parts.push(Taken {
                at: at.ok_or(damaged)?,
                means: codes >> 4,
                details: codes & 15,
            });
        }
        let span = match frame.progressive {
            true => Span {
                first,
                last,
                high: bits >> 4,
                low: bits & 15,
            },
            false => Span {
                first: 0,
                last: 63,
                high: 0,
                low: 0,
            },
        };
        let in_order = span.first <= span.last && span.last < 64 && span.low < 14;
        // In passes the means come alone, and the details of one part at a time.
        let alone = !frame.progressive
            || (span.first == 0 && span.last == 0)
            || (span.first > 0 && parts.len() == 1);
        let is_twice = (1..parts.len()).any(|at| {
            let (before, rest) = parts.split_at(at);
            rest.first()
                .is_some_and(|part| before.iter().any(|one| one.at == part.at))
        });
        if parts.is_empty() || !in_order || !alone || is_twice {
            return Err(damaged);
        }
        Ok(Self { parts, span })
    }

    fn run<'j>(&self, decoder: &Decoder, rest: &'j [u8]) -> Run<'j> {
        Run {
            bits: Bits::new(rest),
            before: [0; 4],
            idle: 0,
            left: decoder.restart,
        }
    }

    /// Reads all parts of a picture that comes in one pass; its rows leave as they come.
    pub(super) fn stream(
        &self,
        frame: &mut Frame,
        decoder: &Decoder,
        rest: &mut &[u8],
        out: Rows<'_>,
    ) -> Result<(), PictureError> {
        let mut run = self.run(decoder, rest);
        let mut held: Vec<Vec<Block>> = frame
            .parts
            .iter()
            .map(|part| vec![[0; 64]; frame.blocks(part)])
            .collect();
        for group in 0..frame.groups.1 {
            for blocks in &mut held {
                blocks.fill([0; 64]);
            }
            for column in 0..frame.groups.0 {
                run.begin(decoder).ok_or(DAMAGED)?;
                self.group(frame, decoder, &mut run, column, &mut held, 0)
                    .ok_or(DAMAGED)?;
            }
            let blocks: Vec<&[Block]> = held.iter().map(Vec::as_slice).collect();
            frame.show(group, decoder, &blocks, out)?;
        }
        *rest = run.bits.rest();
        Ok(())
    }

    /// Reads one of several passes; what it holds is kept. An empty row is shown now and then, so that whoever asked can
    /// leave.
    pub(super) fn hold(
        &self,
        frame: &mut Frame,
        decoder: &Decoder,
        rest: &mut &[u8],
        out: Rows<'_>,
    ) -> Result<(), PictureError> {
        let mut held = std::mem::take(&mut frame.held);
        if held.is_empty() {
            let counts = frame
                .parts
                .iter()
                .map(|part| frame.blocks(part) * frame.groups.1 as usize);
            let counts: Vec<usize> = counts.collect();
            let bytes = counts.iter().sum::<usize>() * size_of::<Block>();
            if u64::try_from(bytes).is_ok_and(|bytes| bytes > HELD) {
                return Err(PictureError::TooMany);
            }
            held = counts.iter().map(|count| vec![[0; 64]; *count]).collect();
        }
        let mut run = self.run(decoder, rest);
        if let [alone] = *self.parts {
            self.alone(frame, decoder, &mut run, alone, &mut held, out)?;
        } else {
            for group in 0..frame.groups.1 {
                out(&[])?;
                for column in 0..frame.groups.0 {
                    run.begin(decoder).ok_or(DAMAGED)?;
                    let read =
                        self.group(frame, decoder, &mut run, column, &mut held, group as usize);
                    read.ok_or(DAMAGED)?;
                }
            }
        }
        *rest = run.bits.rest();
        frame.held = held;
        Ok(())
    }

    /// The blocks of all parts of one group; `row` is the row of groups that `held` begins before.
    fn group(
        &self,
        frame: &Frame,
        decoder: &Decoder,
        run: &mut Run<'_>,
        column: u32,
        held: &mut [Vec<Block>],
        row: usize,
    ) -> Option<()> {
        for taken in &self.parts {
            let part = frame.parts.get(taken.at)?;
            let width = (frame.groups.0 * part.across) as usize;
            // One part alone has no groups: its blocks come row by row.
            let from = row * frame.blocks(part);
            for y in 0..part.down as usize {
                for x in 0..part.across {
                    let at = from + y * width + (column * part.across + x) as usize;
                    self.one(decoder, run, *taken, held.get_mut(taken.at)?.get_mut(at)?)?;
                }
            }
        }
        Some(())
    }

    /// A part that comes alone: only the blocks that the picture reaches into.
    fn alone(
        &self,
        frame: &Frame,
        decoder: &Decoder,
        run: &mut Run<'_>,
        taken: Taken,
        held: &mut [Vec<Block>],
        out: Rows<'_>,
    ) -> Result<(), PictureError> {
        let part = frame.parts.get(taken.at).ok_or(DAMAGED)?;
        let blocks = held.get_mut(taken.at).ok_or(DAMAGED)?;
        let stride = (frame.groups.0 * part.across) as usize;
        let reached =
            |side: u32, factor: u32, most: u32| (side * factor).div_ceil(8 * most) as usize;
        let columns = reached(frame.size.width, part.across, frame.most.0);
        let lines = reached(frame.size.height, part.down, frame.most.1);
        for line in blocks.chunks_exact_mut(stride).take(lines) {
            out(&[])?;
            for block in line.iter_mut().take(columns) {
                run.begin(decoder).ok_or(DAMAGED)?;
                self.one(decoder, run, taken, block).ok_or(DAMAGED)?;
            }
        }
        Ok(())
    }

    fn one(
        &self,
        decoder: &Decoder,
        run: &mut Run<'_>,
        taken: Taken,
        block: &mut Block,
    ) -> Option<()> {
        let means: &Codes = decoder.means.get(usize::from(taken.means))?;
        let details: &Codes = decoder.details.get(usize::from(taken.details))?;
        let before = run.before.get_mut(taken.at)?;
        let (bits, span) = (&mut run.bits, self.span);
        match (span.first, span.last, span.high) {
            (0, 63, _) => block::whole(bits, means, details, before, block),
            (0, _, _) => block::pass_mean(bits, means, span, before, block),
            (_, _, 0) => block::pass_details(bits, details, span, &mut run.idle, block),
            _ => block::refine_details(bits, details, span, &mut run.idle, block),
        }
    }
}

impl Run<'_> {
    /// Begins the next group, after a restart if one is due.
    fn begin(&mut self, decoder: &Decoder) -> Option<()> {
        if decoder.restart == 0 {
            return Some(());
        }
        if self.left == 0 {
            self.bits.restart()?;
            (self.before, self.idle, self.left) = ([0; 4], 0, decoder.restart);
        }
        self.left -= 1;
        Some(())
    }
}
