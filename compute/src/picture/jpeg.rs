//! JPEG as cameras and programs write it: eight bits a sample, sequential or progressive, Huffman.

mod bits;
mod block;
mod colour;
mod scan;

use self::bits::Codes;
use self::colour::Colours;
use self::scan::Frame;
use self::scan::Part;
use self::scan::Scan;
use super::PictureError;
use super::Rows;
use super::Size;
use super::exif;

/// A picture that comes in more passes than this only wants to take long.
const SCANS: usize = 128;

/// What the segments before the pixels say.
struct Decoder {
    /// By their number: how coarse each of the 64 numbers of a block is.
    coarseness: [[u16; 64]; 4],
    /// By their number: the codes of a block's mean, and of what is around it.
    means: [Codes; 4],
    details: [Codes; 4],
    /// After so many groups of blocks the reader can begin anew; 0 for never.
    restart: u32,
    frame: Option<Frame>,
    /// How Adobe's programs say that colours are stored.
    adobe: Option<u8>,
    orientation: u16,
}

/// The next segment: its marker, and what is in it.
fn segment<'j>(rest: &mut &'j [u8]) -> Option<(u8, &'j [u8])> {
    loop {
        let (byte, after) = rest.split_first()?;
        let Some(marker) = after.first().filter(|_| *byte == 0xff) else {
            *rest = after;
            continue;
        };
        match marker {
            // Filling, or not a marker.
            0xff | 0 => *rest = after,
            // Without content.
            0x01 | 0xd0..=0xd9 => {
                *rest = after.get(1..)?;
                return Some((*marker, &[]));
            }
            _ => {
                let length = after.get(1..)?.first_chunk()?;
                let length = usize::from(u16::from_be_bytes(*length));
                let content = after.get(3..length.checked_add(1)?)?;
                *rest = after.get(length + 1..)?;
                return Some((*marker, content));
            }
        }
    }
}

/// Whether a segment holds the size of the picture.
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// The size that a JPEG names; none if it comes later than these bytes.
pub(super) fn size(head: &[u8]) -> Option<Size> {
    let mut rest = head
        .strip_prefix(b"\xff\xd8")
        .filter(|rest| rest.first() == Some(&0xff))?;
    loop {
        match segment(&mut rest)? {
            (marker, [_, h0, h1, w0, w1, ..]) if is_frame(marker) => {
                return Some(Size {
                    width: u16::from_be_bytes([*w0, *w1]).into(),
                    height: u16::from_be_bytes([*h0, *h1]).into(),
                });
            }
            (0xda | 0xd9, _) => return None,
            _ => {}
        }
    }
}

/// Unpacks all rows from the top; gives the orientation.
pub(super) fn rows(bytes: &[u8], out: Rows<'_>) -> Result<u16, PictureError> {
    let damaged = PictureError::Damaged;
    let mut decoder = Decoder {
        coarseness: [[0; 64]; 4],
        means: Default::default(),
        details: Default::default(),
        restart: 0,
        frame: None,
        adobe: None,
        orientation: exif::UPRIGHT,
    };
    let mut rest = bytes;
    let mut scans = 0;
    while let Some((marker, content)) = segment(&mut rest) {
        match marker {
            0xc4 => decoder.codes(content).ok_or(damaged("its codes"))?,
            0xdb => decoder.quantities(content).ok_or(damaged("its tables"))?,
            0xdd => {
                let groups = content.first_chunk().ok_or(damaged("its restarts"))?;
                decoder.restart = u16::from_be_bytes(*groups).into();
            }
            0xc0..=0xc2 if decoder.frame.is_some() => return Err(damaged("two pictures")),
            0xc0..=0xc2 => decoder.frame = Some(Frame::read(content, marker == 0xc2)?),
            marker if is_frame(marker) => {
                return Err(PictureError::Foreign("a rare sort of JPEG"));
            }
            0xe1 => {
                let tiff = content.strip_prefix(b"Exif\0\0");
                let found = tiff.and_then(exif::orientation);
                decoder.orientation = found.unwrap_or(decoder.orientation);
            }
            0xee => {
                if let [b'A', b'd', b'o', b'b', b'e', .., transform] = content {
                    decoder.adobe = Some(*transform);
                }
            }
            0xda => {
                scans += 1;
                let mut frame = decoder.frame.take().ok_or(damaged("no size"))?;
                let scan = Scan::read(content, &frame)?;
                if scans > SCANS {
                    return Err(damaged("too many passes"));
                }
                let is_all = !frame.progressive && scan.parts.len() == frame.parts.len();
                if is_all && scans == 1 {
                    // Rows can leave as they come.
                    scan.stream(&mut frame, &decoder, &mut rest, out)?;
                    return Ok(decoder.orientation);
                }
                scan.hold(&mut frame, &decoder, &mut rest, out)?;
                decoder.frame = Some(frame);
            }
            0xd9 => break,
            _ => {}
        }
    }
    let frame = decoder.frame.take().ok_or(damaged("no size"))?;
    if scans == 0 {
        return Err(damaged("no pixels"));
    }
    frame.show_held(&decoder, out)?;
    Ok(decoder.orientation)
}

impl Decoder {
    fn codes(&mut self, mut content: &[u8]) -> Option<()> {
        while let Some((name, after)) = content.split_first() {
            let (counts, after) = after.split_first_chunk::<16>()?;
            let count = counts.iter().map(|count| usize::from(*count)).sum();
            let values = after.get(..count)?;
            content = after.get(count..)?;
            let tables = match name >> 4 {
                0 => &mut self.means,
                1 => &mut self.details,
                _ => return None,
            };
            *tables.get_mut(usize::from(name & 15))? = Codes::new(counts, values)?;
        }
        Some(())
    }

    fn quantities(&mut self, mut content: &[u8]) -> Option<()> {
        while let Some((name, after)) = content.split_first() {
            let table = self.coarseness.get_mut(usize::from(name & 15))?;
            let width = match name >> 4 {
                0 => 1,
                1 => 2,
                _ => return None,
            };
            let numbers = after.get(..64 * width)?;
            content = after.get(64 * width..)?;
            for (number, place) in numbers.chunks_exact(width).zip(block::ORDER) {
                let number = number
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | u16::from(*byte));
                *table.get_mut(usize::from(place))? = number;
            }
        }
        Some(())
    }

    /// How the parts become colours.
    fn colours(&self, parts: &[Part]) -> Colours {
        match (parts, self.adobe) {
            ([_], _) => Colours::Grey,
            ([r, g, b], None) if [r.name, g.name, b.name] == *b"RGB" => Colours::Plain,
            ([_, _, _], Some(0)) => Colours::Plain,
            ([_, _, _], _) => Colours::Light,
            (_, Some(2)) => Colours::LightAndBlack,
            _ => Colours::Print,
        }
    }
}
