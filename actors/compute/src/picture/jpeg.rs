//! JPEG: where its size stands, and its rows.

use std::io::Cursor;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::HELD;
use super::PictureError;
use super::Rows;
use super::Size;
use super::exif;

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

/// How many bytes are held of each pixel: all of the picture in colours, and what its passes leave to be gathered where it
/// does not come in one.
fn held_of_each(bytes: &[u8]) -> u64 {
    const COLOURS: u64 = 3;
    const GATHERED: u64 = 2 * COLOURS;
    let mut rest = bytes;
    let mut parts = None;
    while let Some((marker, content)) = segment(&mut rest) {
        match marker {
            0xc2 => break,
            marker if is_frame(marker) => parts = content.get(5),
            0xda if parts.is_some() && parts == content.first() => return COLOURS,
            0xda => break,
            _ => {}
        }
    }
    COLOURS + GATHERED
}

/// Unpacks all rows from the top; gives the orientation.
pub(super) fn rows(bytes: &[u8], out: Rows<'_>) -> Result<u16, PictureError> {
    let size = size(bytes).ok_or(PictureError::Damaged("no size"))?;
    if size.pixels() * held_of_each(bytes) > HELD {
        return Err(PictureError::TooMany);
    }
    out(&[])?;
    let options = DecoderOptions::default()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(bytes), options);
    let pixels = decoder
        .decode()
        .map_err(|_| PictureError::Damaged("JPEG"))?;
    let orientation = decoder.exif().and_then(|tiff| exif::orientation(tiff));
    let width = usize::try_from(size.width).unwrap_or(usize::MAX);
    for row in pixels.chunks_exact(width.saturating_mul(3)) {
        out(row)?;
    }
    Ok(orientation.unwrap_or(exif::UPRIGHT))
}
