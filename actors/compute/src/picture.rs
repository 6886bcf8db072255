//! Pictures that are too large are made smaller: PNG and JPEG in, JPEG out, the same bytes each time.
//!
//! What a picture holds is looked at before it is unpacked, rows are made smaller as they come, and whoever asked can give
//! up between two of them. What is unpacked is at most [`PIXELS`] and what is held at once at most [`HELD`].

mod exif;
mod jpeg;
mod png;
mod shrink;

use jpeg_encoder::Encoder;
use jpeg_encoder::ImageBuffer;
use jpeg_encoder::JpegColorType;
use jpeg_encoder::rgb_to_ycbcr;

use self::shrink::Shrink;

#[cfg(test)]
mod tests;

/// No picture of more pixels is unpacked.
pub const PIXELS: u64 = 120_000_000;
/// No more bytes of one picture are held at once: it can't be read from the top where all of it comes in several passes.
pub const HELD: u64 = 128_000_000;

/// How good the result is, tried one after the other until it fits.
const QUALITIES: [u8; 4] = [85, 75, 60, 45];
/// Smaller than this there is nothing to see.
const SMALLEST: u32 = 64;

/// What a picture shall fit into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Bytes, at most.
    pub bytes: usize,
    /// Pixels of the longer side, at most.
    pub side: u32,
}

/// How large a picture says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Pixels from left to right, as they are stored.
    pub width: u32,
    /// Pixels from top to bottom, as they are stored.
    pub height: u32,
}

/// Why a picture can't be made smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Neither PNG nor JPEG, or a rare kind of them.
    #[error("a kind of picture that is not read: {0}")]
    Foreign(&'static str),
    /// Not what its format says.
    #[error("a damaged picture: {0}")]
    Damaged(&'static str),
    /// More than is unpacked.
    #[error("a picture of too many pixels")]
    TooMany,
    /// Whoever asked has left.
    #[error("nobody waits for it any more")]
    Unwanted,
    /// It can't be made small enough.
    #[error("a picture that can't be made small enough")]
    Unfit,
}

/// Rows of a picture, three bytes a pixel, as they come.
type Rows<'r> = &'r mut dyn FnMut(&[u8]) -> Result<(), PictureError>;

/// A picture as bytes of red, green and blue.
struct Pixels {
    size: Size,
    bytes: Vec<u8>,
}

impl Size {
    /// The longer side.
    pub fn longest(self) -> u32 {
        self.width.max(self.height)
    }

    fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The same form with its longer side no longer than this.
    fn within(self, side: u32) -> Self {
        let longest = u64::from(self.longest().max(1));
        let scaled = |length: u32| {
            let length = u64::from(length) * u64::from(side) / longest;
            u32::try_from(length).unwrap_or(side).max(1)
        };
        if self.longest() <= side {
            return self;
        }
        Self {
            width: scaled(self.width),
            height: scaled(self.height),
        }
    }

    /// Refuses what is too much to unpack, or nothing at all.
    fn checked(self) -> Result<Self, PictureError> {
        match self.pixels() {
            0 => Err(PictureError::Damaged("no pixels")),
            pixels if pixels > PIXELS => Err(PictureError::TooMany),
            _ => Ok(self),
        }
    }
}

/// How large a PNG or JPEG is, from its first bytes; none if they don't say.
pub fn size(head: &[u8]) -> Option<Size> {
    png::size(head).or_else(|| jpeg::size(head))
}

/// Makes a PNG or JPEG fit, as a JPEG that stands upright on white. `wanted` is asked between rows.
pub fn smaller(bytes: &[u8], fit: Fit, wanted: &dyn Fn() -> bool) -> Result<Vec<u8>, PictureError> {
    let stored = size(bytes).ok_or(PictureError::Foreign("neither PNG nor JPEG"))?;
    let mut side = fit.side.clamp(SMALLEST, 16_384);
    let mut shrink = Shrink::new(stored.checked()?, stored.within(side));
    let mut row = |row: &[u8]| {
        // A row without pixels only asks.
        if !row.is_empty() {
            shrink.row(row);
        }
        match wanted() {
            true => Ok(()),
            false => Err(PictureError::Unwanted),
        }
    };
    let orientation = match png::size(bytes) {
        Some(_) => png::rows(bytes, &mut row)?,
        None => jpeg::rows(bytes, &mut row)?,
    };
    let mut pixels = exif::upright(shrink.finish(), orientation);
    loop {
        for quality in QUALITIES {
            let made = encoded(&pixels, quality)?;
            if made.len() <= fit.bytes {
                return Ok(made);
            }
            if !wanted() {
                return Err(PictureError::Unwanted);
            }
        }
        side = pixels.size.longest() * 3 / 4;
        if side < SMALLEST {
            return Err(PictureError::Unfit);
        }
        let mut shrink = Shrink::new(pixels.size, pixels.size.within(side));
        let width = usize::try_from(pixels.size.width).unwrap_or(usize::MAX);
        for row in pixels.bytes.chunks_exact(width.saturating_mul(3)) {
            shrink.row(row);
        }
        pixels = shrink.finish();
    }
}

fn encoded(pixels: &Pixels, quality: u8) -> Result<Vec<u8>, PictureError> {
    let side = |length: u32| u16::try_from(length).map_err(|_| PictureError::TooMany);
    let shown = Shown {
        pixels,
        width: side(pixels.size.width)?,
        height: side(pixels.size.height)?,
    };
    let mut made = Vec::new();
    let encoder = Encoder::new(&mut made, quality);
    encoder
        .encode_image(shown)
        .map_err(|_| PictureError::Unfit)?;
    Ok(made)
}

/// A picture for the encoder. Its own readers of bytes come for nine sorts of colours at once, all of them in the program.
struct Shown<'p> {
    pixels: &'p Pixels,
    width: u16,
    height: u16,
}

impl ImageBuffer for Shown<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, [lights, blues, reds, _]: &mut [Vec<u8>; 4]) {
        let length = usize::from(self.width) * 3;
        let from = usize::from(y) * length;
        let row = self.pixels.bytes.get(from..from + length);
        for [r, g, b] in row.unwrap_or_default().as_chunks().0 {
            let (light, blue, red) = rgb_to_ycbcr(*r, *g, *b);
            lights.push(light);
            blues.push(blue);
            reds.push(red);
        }
    }
}
