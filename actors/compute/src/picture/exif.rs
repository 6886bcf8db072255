//! How a camera was held, and the picture turned to stand upright.

use super::Pixels;
use super::Size;

/// Standing upright already.
pub(super) const UPRIGHT: u16 = 1;
/// The name of the field.
const ORIENTATION: u16 = 0x0112;
/// A directory has no more entries than this worth looking at.
const ENTRIES: u16 = 512;

/// The orientation that a TIFF directory names, from 1 to 8.
pub(super) fn orientation(tiff: &[u8]) -> Option<u16> {
    let little = match tiff.get(..4)? {
        [b'I', b'I', 42, 0] => true,
        [b'M', b'M', 0, 42] => false,
        _ => return None,
    };
    let two = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk::<2>()?;
        Some(match little {
            true => u16::from_le_bytes(bytes),
            false => u16::from_be_bytes(bytes),
        })
    };
    let four = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk::<4>()?;
        Some(match little {
            true => u32::from_le_bytes(bytes),
            false => u32::from_be_bytes(bytes),
        })
    };
    let directory = usize::try_from(four(4)?).ok()?;
    let entries = (0..two(directory)?.min(ENTRIES)).map(usize::from);
    let mut places = entries.map(|entry| directory.saturating_add(2 + entry * 12));
    let found = places.find(|at| two(*at) == Some(ORIENTATION))?;
    two(found + 8).filter(|value| (1..=8).contains(value))
}

/// Turns and mirrors.
pub(super) fn upright(pixels: Pixels, orientation: u16) -> Pixels {
    let Size { width, height } = pixels.size;
    let (swaps, flips_x, flips_y) = match orientation {
        2 => (false, true, false),
        3 => (false, true, true),
        4 => (false, false, true),
        5 => (true, false, false),
        6 => (true, false, true),
        7 => (true, true, true),
        8 => (true, true, false),
        _ => return pixels,
    };
    let size = match swaps {
        true => Size {
            width: height,
            height: width,
        },
        false => pixels.size,
    };
    let stored = pixels.bytes.as_chunks::<3>().0;
    let mut bytes = Vec::with_capacity(pixels.bytes.len());
    for y in 0..size.height {
        for x in 0..size.width {
            let (x, y) = if swaps { (y, x) } else { (x, y) };
            let x = if flips_x { width - 1 - x } else { x };
            let y = if flips_y { height - 1 - y } else { y };
            let at = u64::from(y) * u64::from(width) + u64::from(x);
            let pixel = usize::try_from(at).ok().and_then(|at| stored.get(at));
            bytes.extend_from_slice(pixel.unwrap_or(&[255; 3]));
        }
    }
    Pixels { size, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_orientation_puts_the_corner_where_it_belongs() {
        // Stored:  a b c
        //          d e f
        let stored = b"abcdef";
        let expected: [(u16, &str); 9] = [
            (1, "abc/def"),
            (2, "cba/fed"),
            (3, "fed/cba"),
            (4, "def/abc"),
            (5, "ad/be/cf"),
            (6, "da/eb/fc"),
            (7, "fc/eb/da"),
            (8, "cf/be/ad"),
            (9, "abc/def"),
        ];
        for (orientation, shown) in expected {
            let pixels = Pixels {
                size: Size {
                    width: 3,
                    height: 2,
                },
                bytes: stored.iter().flat_map(|letter| [*letter; 3]).collect(),
            };
            let turned = upright(pixels, orientation);
            let letters: Vec<u8> = turned.bytes.iter().step_by(3).copied().collect();
            let width = usize::try_from(turned.size.width).unwrap();
            let rows: Vec<_> = letters
                .chunks(width)
                .map(|row| str::from_utf8(row).unwrap())
                .collect();
            assert_eq!(rows.join("/"), shown, "{orientation}");
        }
    }

    #[test]
    fn the_field_is_found_in_both_orders_and_nowhere_else() {
        let little = b"II\x2a\0\x08\0\0\0\x02\0\x00\x01\x03\0\x01\0\0\0\x05\0\0\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        let big = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0";
        assert_eq!(orientation(little), Some(6));
        assert_eq!(orientation(big), Some(8));
        for end in 0..little.len() - 2 {
            assert_eq!(orientation(&little[..end.min(28)]), None);
        }
        assert_eq!(orientation(b"MM\0\x2a\xff\xff\xff\xff"), None);
    }
}
