//! From the parts of a JPEG to red, green and blue.

/// What the parts are.
#[derive(Clone, Copy)]
pub(super) enum Colours {
    /// One part.
    Grey,
    /// Red, green and blue.
    Plain,
    /// Light, and two differences to it.
    Light,
    /// Cyan, magenta, yellow and black, upside down as Adobe's programs write them.
    Print,
    /// Light and differences in place of cyan, magenta and yellow.
    LightAndBlack,
}

impl Colours {
    /// A row of pixels from a row of each part.
    pub(super) fn row(self, parts: &[Vec<u8>], out: &mut Vec<u8>) {
        match (self, parts) {
            (Self::Grey, [grey, ..]) => out.extend(grey.iter().flat_map(|grey| [*grey; 3])),
            (Self::Plain, [r, g, b, ..]) => {
                let pixels = r.iter().zip(g).zip(b);
                out.extend(pixels.flat_map(|((r, g), b)| [*r, *g, *b]));
            }
            (Self::Light, [y, cb, cr, ..]) => {
                let pixels = y.iter().zip(cb).zip(cr);
                out.extend(pixels.flat_map(|((y, cb), cr)| colour(*y, *cb, *cr)));
            }
            (Self::Print, [c, m, y, k]) => {
                let pixels = c.iter().zip(m).zip(y).zip(k);
                out.extend(
                    pixels.flat_map(|(((c, m), y), k)| [*c, *m, *y].map(|part| times(part, *k))),
                );
            }
            (Self::LightAndBlack, [y, cb, cr, k]) => {
                let pixels = y.iter().zip(cb).zip(cr).zip(k);
                out.extend(pixels.flat_map(|(((y, cb), cr), k)| {
                    colour(*y, *cb, *cr).map(|part| times(255 - part, *k))
                }));
            }
            _ => {}
        }
    }
}

fn times(part: u8, black: u8) -> u8 {
    let product = u16::from(part) * u16::from(black);
    u8::try_from((product + 127) / 255).unwrap_or(255)
}

/// In fractions of 65536, as the format names them.
fn colour(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let light = (i32::from(y) << 16) + 32_768;
    let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
    let parts = [
        light + cr * 91_881,
        light - cr * 46_802 - cb * 22_554,
        light + cb * 116_130,
    ];
    parts.map(|part| u8::try_from((part >> 16).clamp(0, 255)).unwrap_or(0))
}
