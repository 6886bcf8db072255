//! PNG: where its size stands, and its rows.

use std::io::Cursor;

use png::ColorType;
use png::Decoder;
use png::Limits;
use png::Transformations;

use super::HELD;
use super::PictureError;
use super::Rows;
use super::Size;
use super::exif;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

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
    let damaged = |_| PictureError::Damaged("PNG");
    let held = usize::try_from(HELD).unwrap_or(usize::MAX);
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: held });
    decoder.ignore_checksums(true);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let info = reader.info();
    let orientation = info.exif_metadata.as_deref().and_then(exif::orientation);
    let (is_interlaced, colours) = (info.interlaced, reader.output_color_type().0);
    let mut upright = Vec::new();
    if is_interlaced {
        // Its rows come in several passes.
        let length = reader.output_buffer_size().filter(|length| *length <= held);
        let mut pixels = vec![0; length.ok_or(PictureError::TooMany)?];
        out(&[])?;
        let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
        for row in pixels.chunks_exact(frame.line_size.max(1)) {
            out(on_white(colours, row, &mut upright))?;
        }
    } else {
        while let Some(row) = reader.next_row().map_err(damaged)? {
            out(on_white(colours, row.data(), &mut upright))?;
        }
    }
    Ok(orientation.unwrap_or(exif::UPRIGHT))
}

/// A row as red, green and blue; what doesn't cover lets white through.
fn on_white<'r>(colours: ColorType, row: &'r [u8], rgb: &'r mut Vec<u8>) -> &'r [u8] {
    let over = |sample: u8, covers: u8| {
        let mixed = u32::from(sample) * u32::from(covers) + 255 * (255 - u32::from(covers));
        u8::try_from((mixed + 127) / 255).unwrap_or(u8::MAX)
    };
    rgb.clear();
    match colours {
        ColorType::Rgb => return row,
        ColorType::Rgba => rgb.extend(
            (row.as_chunks().0.iter())
                .flat_map(|[r, g, b, a]| [over(*r, *a), over(*g, *a), over(*b, *a)]),
        ),
        ColorType::GrayscaleAlpha => {
            rgb.extend((row.as_chunks().0.iter()).flat_map(|[grey, a]| [over(*grey, *a); 3]));
        }
        // A palette's places have become colours.
        ColorType::Grayscale | ColorType::Indexed => {
            rgb.extend(row.iter().flat_map(|grey| [*grey; 3]));
        }
    }
    rgb
}
