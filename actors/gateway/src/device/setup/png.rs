//! A black and white picture as PNG, stored without compression: a QR code is small enough.

/// Pixels of a module, and modules of the light rim that readers need.
const SCALE: usize = 6;
const RIM: usize = 4;

/// The largest stored block of a deflate stream.
const BLOCK: usize = 65_535;

/// The picture of square modules.
pub(super) fn modules(width: usize, dark: &[bool]) -> Option<Vec<u8>> {
    let side = (width + 2 * RIM) * SCALE;
    let mut rows = Vec::with_capacity(side * (side / 8 + 2));
    for y in 0..side {
        rows.push(0);
        let mut byte = 0u8;
        for x in 0..side {
            let is_dark = module(x, width)
                .zip(module(y, width))
                .and_then(|(x, y)| dark.get(y * width + x).copied())
                .unwrap_or(false);
            byte = byte << 1 | u8::from(!is_dark);
            if x % 8 == 7 {
                rows.push(byte);
                byte = 0;
            }
        }
        if !side.is_multiple_of(8) {
            rows.push(byte << (8 - side % 8));
        }
    }
    let side = u32::try_from(side).ok()?.to_be_bytes();
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    // One bit a pixel, grey, no interlace.
    chunk(
        &mut out,
        b"IHDR",
        &[&side[..], &side[..], &[1, 0, 0, 0, 0]].concat(),
    )?;
    chunk(&mut out, b"IDAT", &stored(&rows)?)?;
    chunk(&mut out, b"IEND", &[])?;
    Some(out)
}

fn module(pixel: usize, width: usize) -> Option<usize> {
    (pixel / SCALE).checked_sub(RIM).filter(|at| *at < width)
}

fn stored(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0x78, 0x01];
    let count = bytes.chunks(BLOCK).count();
    for (index, block) in bytes.chunks(BLOCK).enumerate() {
        out.push(u8::from(index + 1 == count));
        let length = u16::try_from(block.len()).ok()?;
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&adler32(bytes).to_be_bytes());
    Some(out)
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], content: &[u8]) -> Option<()> {
    out.extend_from_slice(&u32::try_from(content.len()).ok()?.to_be_bytes());
    let framed = [&kind[..], content].concat();
    out.extend_from_slice(&framed);
    out.extend_from_slice(&crc32(&framed).to_be_bytes());
    Some(())
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1u32, 0u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::adler32;
    use super::crc32;

    #[test]
    fn the_sums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }
}
