//! PNG: unpacked row by row.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::HELD;
use super::PictureError;
use super::Rows;
use super::Size;
use super::exif;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Where the passes of an interlaced picture begin, and how far apart their pixels are: across and down.
const PASSES: [(u32, u32, u32, u32); 7] = [
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
];

/// What the first chunk says.
#[derive(Clone, Copy)]
struct Header {
    size: Size,
    /// Bits of a sample: 1, 2, 4, 8 or 16.
    depth: u8,
    /// 0 grey, 2 colours, 3 places in the palette, 4 grey and how much covers, 6 colours and how much covers.
    kind: u8,
    interlaced: bool,
}

/// How pixels become colours.
struct Palette<'p> {
    header: Header,
    colours: &'p [u8],
    /// How much each place of the palette covers, or the one colour that covers nothing.
    clear: &'p [u8],
}

/// The data of all chunks of one kind that follow each other.
struct Body<'p> {
    chunk: &'p [u8],
    rest: &'p [u8],
}

/// The size that a PNG names.
pub(super) fn size(head: &[u8]) -> Option<Size> {
    let rest = head.strip_prefix(SIGNATURE)?;
    let (_, [b'I', b'H', b'D', b'R', rest @ ..]) = rest.split_first_chunk::<4>()? else {
        return None;
    };
    let (width, rest) = rest.split_first_chunk()?;
    Some(Size {
        width: u32::from_be_bytes(*width),
        height: u32::from_be_bytes(*rest.first_chunk()?),
    })
}

/// Unpacks all rows from the top; gives the orientation.
pub(super) fn rows(bytes: &[u8], out: Rows<'_>) -> Result<u16, PictureError> {
    let damaged = PictureError::Damaged;
    let mut rest = bytes.strip_prefix(SIGNATURE).unwrap_or_default();
    let mut orientation = exif::UPRIGHT;
    let mut header = None;
    let (mut colours, mut clear): (&[u8], &[u8]) = (&[], &[]);
    loop {
        let before = rest;
        let (kind, data) = chunk(&mut rest).ok_or(damaged("no pixels"))?;
        match kind {
            b"IHDR" => header = Some(Header::read(data)?),
            b"PLTE" => colours = data,
            b"tRNS" => clear = data,
            b"eXIf" => orientation = exif::orientation(data).unwrap_or(orientation),
            b"IDAT" => {
                let palette = Palette {
                    header: header.ok_or(damaged("no header"))?,
                    colours,
                    clear,
                };
                let mut body = ZlibDecoder::new(Body {
                    chunk: &[],
                    rest: before,
                });
                match palette.header.interlaced {
                    true => interlaced(&palette, &mut body, out)?,
                    false => plain(&palette, &mut body, out)?,
                }
                return Ok(orientation);
            }
            _ => {}
        }
    }
}

/// Takes the next chunk off.
fn chunk<'p>(rest: &mut &'p [u8]) -> Option<(&'p [u8; 4], &'p [u8])> {
    let (length, after) = rest.split_first_chunk()?;
    let (kind, after) = after.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let data = after.get(..length)?;
    *rest = after.get(length.checked_add(4)?..)?;
    Some((kind, data))
}

impl Read for Body<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.chunk.is_empty() {
            match chunk(&mut self.rest) {
                Some((b"IDAT", data)) => self.chunk = data,
                _ => return Ok(0),
            }
        }
        self.chunk.read(into)
    }
}

impl Header {
    fn read(data: &[u8]) -> Result<Self, PictureError> {
        let [
            w0,
            w1,
            w2,
            w3,
            h0,
            h1,
            h2,
            h3,
            depth,
            kind,
            0,
            0,
            interlaced @ (0 | 1),
        ] = *data
        else {
            return Err(PictureError::Damaged("its header"));
        };
        let fits = match kind {
            0 => matches!(depth, 1 | 2 | 4 | 8 | 16),
            3 => matches!(depth, 1 | 2 | 4 | 8),
            2 | 4 | 6 => matches!(depth, 8 | 16),
            _ => false,
        };
        if !fits {
            return Err(PictureError::Damaged("its header"));
        }
        let size = Size {
            width: u32::from_be_bytes([w0, w1, w2, w3]),
            height: u32::from_be_bytes([h0, h1, h2, h3]),
        };
        Ok(Self {
            size: size.checked()?,
            depth,
            kind,
            interlaced: interlaced == 1,
        })
    }

    /// Samples of a pixel.
    fn samples(self) -> u8 {
        match self.kind {
            2 => 3,
            4 => 2,
            6 => 4,
            _ => 1,
        }
    }

    /// Bytes of a row of so many pixels.
    fn row(self, width: u32) -> usize {
        let bits = u64::from(width) * u64::from(self.samples()) * u64::from(self.depth);
        usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX)
    }

    /// How far back a byte's neighbour is.
    fn step(self) -> usize {
        (usize::from(self.samples()) * usize::from(self.depth)).div_ceil(8)
    }
}

fn plain(palette: &Palette<'_>, body: &mut impl Read, out: Rows<'_>) -> Result<(), PictureError> {
    let header = palette.header;
    let mut lines = Lines::new(header, header.size.width);
    let mut row = Vec::new();
    for _ in 0..header.size.height {
        row.clear();
        palette.show(lines.next(body)?, header.size.width, &mut row);
        out(&row)?;
    }
    Ok(())
}

fn interlaced(
    palette: &Palette<'_>,
    body: &mut impl Read,
    out: Rows<'_>,
) -> Result<(), PictureError> {
    let Size { width, height } = palette.header.size;
    let all = palette.header.size.pixels() * 3;
    let row_bytes = usize::try_from(u64::from(width) * 3).unwrap_or(usize::MAX);
    let held = usize::try_from(all).ok().filter(|_| all <= HELD);
    let mut picture = vec![255; held.ok_or(PictureError::TooMany)?];
    let mut row = Vec::new();
    for (left, top, across, down) in PASSES {
        let columns = width.saturating_sub(left).div_ceil(across);
        let count = height.saturating_sub(top).div_ceil(down);
        if columns == 0 {
            continue;
        }
        let mut lines = Lines::new(palette.header, columns);
        for line in 0..count {
            row.clear();
            palette.show(lines.next(body)?, columns, &mut row);
            let y = usize::try_from(top + line * down).unwrap_or(usize::MAX);
            let into = picture.chunks_exact_mut(row_bytes).nth(y);
            let (into, _) = into.unwrap_or_default().as_chunks_mut::<3>();
            let places = into.iter_mut().skip(left as usize).step_by(across as usize);
            for (place, pixel) in places.zip(row.as_chunks::<3>().0) {
                *place = *pixel;
            }
        }
    }
    picture.chunks_exact(row_bytes).try_for_each(out)
}

/// Rows as they were before they were written as differences.
struct Lines {
    step: usize,
    line: Vec<u8>,
    above: Vec<u8>,
}

impl Lines {
    fn new(header: Header, width: u32) -> Self {
        let bytes = header.row(width);
        Self {
            step: header.step(),
            line: vec![0; bytes],
            above: vec![0; bytes],
        }
    }

    fn next(&mut self, body: &mut impl Read) -> Result<&[u8], PictureError> {
        std::mem::swap(&mut self.line, &mut self.above);
        let mut filter = [0];
        let read = body.read_exact(&mut filter);
        let read = read.and_then(|()| body.read_exact(&mut self.line));
        read.map_err(|_| PictureError::Damaged("its pixels are cut"))?;
        self.restore(filter)?;
        Ok(&self.line)
    }

    fn restore(&mut self, filter: [u8; 1]) -> Result<(), PictureError> {
        let (step, line, above) = (self.step, &mut self.line, &self.above);
        match filter {
            [0] => {}
            [1] => {
                for at in step..line.len() {
                    let left = line.get(at - step).copied().unwrap_or(0);
                    if let Some(byte) = line.get_mut(at) {
                        *byte = byte.wrapping_add(left);
                    }
                }
            }
            [2] => {
                for (byte, above) in line.iter_mut().zip(above) {
                    *byte = byte.wrapping_add(*above);
                }
            }
            [kind @ (3 | 4)] => {
                for at in 0..line.len() {
                    let before = at.checked_sub(step);
                    let of = |bytes: &[u8], at: Option<usize>| {
                        at.and_then(|at| bytes.get(at)).copied().unwrap_or(0)
                    };
                    let (left, up) = (of(line, before), of(above, Some(at)));
                    let guess = match kind {
                        3 => left.midpoint(up),
                        _ => nearest(left, up, of(above, before)),
                    };
                    if let Some(byte) = line.get_mut(at) {
                        *byte = byte.wrapping_add(guess);
                    }
                }
            }
            _ => return Err(PictureError::Damaged("a filter that does not exist")),
        }
        Ok(())
    }
}

/// Of three neighbours the one nearest to what they lead to (Paeth's).
fn nearest(left: u8, up: u8, corner: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(up), i16::from(corner));
    let (far_left, far_up, far_corner) = ((b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs());
    if far_left <= far_up && far_left <= far_corner {
        left
    } else if far_up <= far_corner {
        up
    } else {
        corner
    }
}

impl Palette<'_> {
    /// A row's colours, three bytes a pixel, on white.
    fn show(&self, line: &[u8], width: u32, out: &mut Vec<u8>) {
        let Header { depth, kind, .. } = self.header;
        let width = usize::try_from(width).unwrap_or(0);
        match (kind, depth) {
            (0 | 3, 1 | 2 | 4) => {
                let mask = (1 << depth) - 1;
                let shifts = (0..8 / depth).rev().map(|place| place * depth);
                let samples = line
                    .iter()
                    .flat_map(|byte| shifts.clone().map(move |by| byte >> by & mask));
                for sample in samples.take(width) {
                    self.one(sample, out);
                }
            }
            (0 | 3, 8) => line.iter().for_each(|sample| self.one(*sample, out)),
            (2, 8) if self.clear.is_empty() => out.extend_from_slice(line),
            (_, 8) => {
                let step = usize::from(self.header.samples());
                line.chunks_exact(step).for_each(|pixel| {
                    let clear = |at: usize| self.clear.get(2 * at + 1);
                    let same = pixel
                        .iter()
                        .enumerate()
                        .all(|(at, part)| clear(at) == Some(part));
                    cover(pixel, kind == 2 && self.clear.len() == 6 && same, out);
                });
            }
            _ => {
                let step = usize::from(self.header.samples()) * 2;
                line.chunks_exact(step).for_each(|pixel| {
                    // The lower half of each sample is more than anybody sees.
                    let mut high = [0; 4];
                    for (high, low) in high.iter_mut().zip(pixel.iter().step_by(2)) {
                        *high = *low;
                    }
                    let is_clear = matches!(kind, 0 | 2) && pixel == self.clear;
                    cover(high.get(..step / 2).unwrap_or_default(), is_clear, out);
                });
            }
        }
    }

    /// One sample that is grey, or a place in the palette.
    fn one(&self, sample: u8, out: &mut Vec<u8>) {
        let Header { depth, kind, .. } = self.header;
        let place = usize::from(sample);
        if kind == 3 {
            let colour = self.colours.as_chunks::<3>().0.get(place);
            let [r, g, b] = colour.copied().unwrap_or_default();
            let covers = self.clear.get(place).copied().unwrap_or(255);
            return cover(&[r, g, b, covers], false, out);
        }
        let is_clear = self.clear.get(..2) == Some(&[0, sample]);
        let grey = match depth {
            1 => sample * 255,
            2 => sample * 85,
            4 => sample * 17,
            _ => sample,
        };
        cover(&[grey], is_clear, out);
    }
}

/// Puts a pixel of one to four samples on white.
fn cover(pixel: &[u8], is_clear: bool, out: &mut Vec<u8>) {
    let (colour, covers) = match *pixel {
        _ if is_clear => ([255; 3], 255),
        [grey] => ([grey; 3], 255),
        [grey, covers] => ([grey; 3], covers),
        [r, g, b] => ([r, g, b], 255),
        [r, g, b, covers] => ([r, g, b], covers),
        _ => return,
    };
    out.extend(colour.map(|part| {
        let (part, covers) = (u32::from(part), u32::from(covers));
        let sum = part * covers + 255 * (255 - covers);
        u8::try_from((sum + 127) / 255).unwrap_or(255)
    }));
}
