use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use jpeg_encoder::ColorType;
use jpeg_encoder::SamplingFactor;
use proptest::prelude::*;

use super::*;

const ALWAYS: fn() -> bool = || true;

/// Something smooth with edges in it, three bytes a pixel.
fn scene(width: u32, height: u32) -> Vec<u8> {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let part = |value: u32| u8::try_from(value % 256).unwrap();
    pixels
        .flat_map(|(x, y)| {
            let edge = if (x / 37 + y / 23) % 2 == 0 { 90 } else { 0 };
            [
                part(x * 160 / width + edge),
                part(y * 160 / height + edge),
                part((x + y) * 70 / (width + height) + edge),
            ]
        })
        .collect()
}

fn jpeg(width: u32, height: u32, set: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut made = Vec::new();
    let mut encoder = Encoder::new(&mut made, 92);
    set(&mut encoder);
    let (w, h) = (
        u16::try_from(width).unwrap(),
        u16::try_from(height).unwrap(),
    );
    encoder
        .encode(&scene(width, height), w, h, ColorType::Rgb)
        .unwrap();
    made
}

/// All pixels, as our reader sees them.
fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, PictureError> {
    let mut pixels = Vec::new();
    let mut row = |row: &[u8]| {
        pixels.extend_from_slice(row);
        Ok(())
    };
    match png::size(bytes) {
        Some(_) => png::rows(bytes, &mut row)?,
        None => jpeg::rows(bytes, &mut row)?,
    };
    Ok(pixels)
}

fn difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: u64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    sum as f64 / a.len() as f64
}

#[test]
fn jpegs_of_all_sorts_show_what_was_put_in() {
    for (width, height) in [(8, 8), (17, 9), (203, 150), (64, 301)] {
        for sampling in [
            SamplingFactor::F_1_1,
            SamplingFactor::F_2_1,
            SamplingFactor::F_1_2,
            SamplingFactor::F_2_2,
        ] {
            for (progressive, restart) in [(false, 0), (false, 3), (true, 0), (true, 3)] {
                let bytes = jpeg(width, height, |encoder| {
                    encoder.set_progressive(progressive);
                    encoder.set_sampling_factor(sampling);
                    encoder.set_restart_interval(restart);
                });
                let what = format!("{width}x{height} {sampling:?} {progressive} {restart}");
                assert_eq!(size(&bytes), Some(Size { width, height }), "{what}");
                let far = difference(&unpacked(&bytes).unwrap(), &scene(width, height));
                assert!(far <= 12.0, "{what}: {far}");
            }
        }
    }
}

#[test]
fn grey_and_printers_colours_are_read_too() {
    let grey: Vec<u8> = scene(60, 40).iter().step_by(3).copied().collect();
    let mut made = Vec::new();
    Encoder::new(&mut made, 95)
        .encode(&grey, 60, 40, ColorType::Luma)
        .unwrap();
    let shown: Vec<u8> = grey.iter().flat_map(|grey| [*grey; 3]).collect();
    assert!(difference(&unpacked(&made).unwrap(), &shown) < 4.0);
    // Half red, no black.
    let inks: Vec<u8> = [0, 255, 255, 0].repeat(60 * 40);
    for colours in [ColorType::Cmyk, ColorType::CmykAsYcck] {
        let mut made = Vec::new();
        Encoder::new(&mut made, 95)
            .encode(&inks, 60, 40, colours)
            .unwrap();
        let ours = unpacked(&made).unwrap();
        assert!(
            difference(&ours, &[255, 0, 0].repeat(60 * 40)) < 4.0,
            "{:?}",
            &ours[..3]
        );
    }
}

/// A PNG of these rows, each written as differences by a filter of its own.
fn png_of(
    width: u32,
    height: u32,
    depth: u8,
    kind: u8,
    rows: &[Vec<u8>],
    step: usize,
    more: &[(&[u8; 4], &[u8])],
) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    let mut above = vec![0; rows[0].len()];
    for (at, row) in rows.iter().enumerate() {
        let filter = u8::try_from(at % 5).unwrap();
        packed.write_all(&[filter]).unwrap();
        let left = |bytes: &[u8], at: usize| at.checked_sub(step).map_or(0, |at| bytes[at]);
        for (at, byte) in row.iter().enumerate() {
            let (a, b, c) = (left(row, at), above[at], left(&above, at));
            let paeth = {
                let p = i32::from(a) + i32::from(b) - i32::from(c);
                let far = |x: u8| (p - i32::from(x)).abs();
                if far(a) <= far(b) && far(a) <= far(c) {
                    a
                } else if far(b) <= far(c) {
                    b
                } else {
                    c
                }
            };
            let guess = [0, a, b, a.midpoint(b), paeth][usize::from(filter)];
            packed.write_all(&[byte.wrapping_sub(guess)]).unwrap();
        }
        above.clone_from(row);
    }
    let packed = packed.finish().unwrap();
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([depth, kind, 0, 0, 0]);
    let mut made = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        made.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        made.extend(kind);
        made.extend(data);
        made.extend([0; 4]); // nobody looks at the sum
    };
    chunk(b"IHDR", &header);
    more.iter().for_each(|(kind, data)| chunk(kind, data));
    // In two pieces: what is packed does not end where a chunk does.
    let (one, two) = packed.split_at(packed.len() / 2);
    chunk(b"IDAT", one);
    chunk(b"IDAT", two);
    chunk(b"IEND", &[]);
    made
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let scene = scene(width, height);
    let rows: Vec<Vec<u8>> = scene
        .chunks(width as usize * 3)
        .map(<[u8]>::to_vec)
        .collect();
    png_of(width, height, 8, 2, &rows, 3, &[])
}

#[test]
fn pngs_of_every_kind_and_filter_are_read() {
    assert_eq!(unpacked(&png(61, 40)).unwrap(), scene(61, 40));
    // Two bits a pixel, from a palette whose third place can be seen through.
    let rows = vec![vec![0b0001_1011, 0b0100_0000]; 7];
    let colours = [[10, 20, 30], [40, 50, 60], [70, 80, 90], [1, 2, 3]].concat();
    let bytes = png_of(
        5,
        7,
        2,
        3,
        &rows,
        1,
        &[(b"PLTE", &colours), (b"tRNS", &[255, 255, 0])],
    );
    let row = [10, 20, 30, 40, 50, 60, 255, 255, 255, 1, 2, 3, 40, 50, 60];
    assert_eq!(unpacked(&bytes).unwrap(), row.repeat(7));
    // Sixteen bits of four samples, half covered.
    let rows = vec![[0, 0, 100, 9, 200, 9, 128, 0].repeat(3); 6];
    let bytes = png_of(3, 6, 16, 6, &rows, 8, &[]);
    assert_eq!(unpacked(&bytes).unwrap(), [127, 177, 227].repeat(18));
    // One bit, grey.
    let bytes = png_of(
        9,
        2,
        1,
        0,
        &[vec![0b1010_0000, 0b1000_0000], vec![0, 0]],
        1,
        &[],
    );
    let bits = [1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let expected: Vec<u8> = bits.iter().flat_map(|bit| [bit * 255; 3]).collect();
    assert_eq!(unpacked(&bytes).unwrap(), expected);
}

#[test]
fn an_interlaced_png_is_put_together() {
    let (width, height) = (11_u32, 13_u32);
    let scene = scene(width, height);
    let mut raw = Vec::new();
    for (left, top, across, down) in [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ] {
        for y in (top..height).step_by(down) {
            raw.push(0);
            for x in (left..width).step_by(across) {
                let at = (y * width + x) as usize * 3;
                raw.extend_from_slice(&scene[at..at + 3]);
            }
        }
    }
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&raw).unwrap();
    let packed = packed.finish().unwrap();
    let mut bytes = png(width, height);
    bytes[28] = 1;
    bytes.truncate(33);
    bytes.extend(u32::try_from(packed.len()).unwrap().to_be_bytes());
    bytes.extend(b"IDAT");
    bytes.extend(packed);
    bytes.extend([0; 8]);
    bytes.extend(b"IEND\0\0\0\0");
    assert_eq!(unpacked(&bytes).unwrap(), scene);
}

#[test]
fn what_is_made_fits_looks_the_same_and_is_the_same_each_time() {
    let fit = Fit {
        bytes: 60_000,
        side: 400,
    };
    for bytes in [
        jpeg(1000, 600, |_| {}),
        jpeg(1000, 600, |encoder| encoder.set_progressive(true)),
        png(1000, 600),
    ] {
        let made = smaller(&bytes, fit, &ALWAYS).unwrap();
        assert!(made.len() <= fit.bytes);
        assert_eq!(
            size(&made),
            Some(Size {
                width: 400,
                height: 240
            })
        );
        assert_eq!(made, smaller(&bytes, fit, &ALWAYS).unwrap());
        // Held to the mean of what each pixel covers, counted the plain way.
        let (all, made) = (unpacked(&bytes).unwrap(), unpacked(&made).unwrap());
        let mut worst = 0;
        for (x, y) in [(0, 0), (399, 239), (100, 100), (250, 31)] {
            let (mut sum, mut count) = (0, 0);
            for sy in y * 5 / 2..(y + 1) * 5_usize / 2 {
                for sx in x * 5 / 2..(x + 1) * 5_usize / 2 {
                    sum += u32::from(all[(sy * 1000 + sx) * 3 + 1]);
                    count += 1;
                }
            }
            worst = worst.max((sum / count).abs_diff(u32::from(made[(y * 400 + x) * 3 + 1])));
        }
        assert!(worst < 40, "{worst}");
    }
    // Nothing lost at the borders, nothing darker: white stays white.
    let rows = vec![vec![255; 301 * 3]; 77];
    let made = smaller(
        &png_of(301, 77, 8, 2, &rows, 3, &[]),
        Fit {
            bytes: 9_000,
            side: 100,
        },
        &ALWAYS,
    )
    .unwrap();
    assert!(unpacked(&made).unwrap().iter().all(|part| *part >= 253));
}

#[test]
fn a_picture_that_was_taken_sideways_stands_upright() {
    let tiff = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let field = [b"Exif\0\0".as_slice(), tiff].concat();
    let bytes = jpeg(300, 200, |encoder| {
        encoder.add_app_segment(1, field).unwrap();
    });
    let made = smaller(
        &bytes,
        Fit {
            bytes: 100_000,
            side: 150,
        },
        &ALWAYS,
    )
    .unwrap();
    assert_eq!(
        size(&made),
        Some(Size {
            width: 100,
            height: 150
        })
    );
}

#[test]
fn what_does_not_fit_is_made_worse_then_smaller_until_it_does() {
    let bytes = png(800, 800);
    let sizes: Vec<u32> = [200_000, 20_000, 4_000]
        .map(|most| {
            let made = smaller(
                &bytes,
                Fit {
                    bytes: most,
                    side: 800,
                },
                &ALWAYS,
            )
            .unwrap();
            assert!(made.len() <= most);
            size(&made).unwrap().longest()
        })
        .into();
    assert!(sizes[0] == 800 && sizes[2] < sizes[0], "{sizes:?}");
    let none = smaller(
        &bytes,
        Fit {
            bytes: 100,
            side: 800,
        },
        &ALWAYS,
    );
    assert_eq!(none, Err(PictureError::Unfit));
}

#[test]
fn bombs_are_refused_by_their_header_and_nobody_waits_in_vain() {
    let mut bomb = png(10, 10);
    bomb[16..24].copy_from_slice(&[0, 0, 0x80, 0, 0, 0, 0x80, 0]);
    let fit = Fit {
        bytes: 100_000,
        side: 1000,
    };
    assert_eq!(smaller(&bomb, fit, &ALWAYS), Err(PictureError::TooMany));
    // In several passes all of it would be held.
    let mut bomb = jpeg(64, 64, |encoder| encoder.set_progressive(true));
    let at = bomb
        .windows(2)
        .position(|pair| pair == [0xff, 0xc2])
        .unwrap();
    bomb[at + 5..at + 9].copy_from_slice(&[0x27, 0x10, 0x27, 0x10]);
    assert_eq!(smaller(&bomb, fit, &ALWAYS), Err(PictureError::TooMany));
    // Twenty million pixels in several passes, or as passes for each colour: more is held of each.
    for set in [
        (|encoder| encoder.set_progressive(true)) as fn(&mut Encoder<&mut Vec<u8>>),
        |encoder| encoder.set_optimized_huffman_tables(true),
        |_| {},
    ] {
        let mut large = jpeg(64, 64, set);
        let frame = |pair: &[u8]| matches!(pair, [0xff, 0xc0 | 0xc2]);
        let at = large.windows(2).position(frame).unwrap();
        let is_streamed = large[at + 1] == 0xc0
            && large
                .windows(2)
                .filter(|pair| *pair == [0xff, 0xda])
                .count()
                == 1;
        large[at + 5..at + 9].copy_from_slice(&[0x0f, 0xa0, 0x13, 0x88]);
        let refused = jpeg::rows(&large, &mut |_| Err(PictureError::Unwanted));
        let expected = match is_streamed {
            true => PictureError::Unwanted,
            false => PictureError::TooMany,
        };
        assert_eq!(refused, Err(expected));
    }
    for bytes in [
        png(500, 500),
        jpeg(500, 500, |_| {}),
        jpeg(500, 500, |encoder| encoder.set_progressive(true)),
    ] {
        assert_eq!(smaller(&bytes, fit, &|| false), Err(PictureError::Unwanted));
    }
    assert_eq!(
        smaller(b"GIF89a", fit, &ALWAYS),
        Err(PictureError::Foreign("neither PNG nor JPEG"))
    );
}

proptest! {
    /// Whatever is damaged, there is an answer.
    #[test]
    fn whatever_bytes_are_changed_or_cut_it_ends(which in 0..4_usize, changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6), cut in any::<proptest::sample::Index>(), is_cut in any::<bool>()) {
        let mut bytes = match which {
            0 => png(40, 30),
            1 => jpeg(40, 30, |_| {}),
            2 => jpeg(40, 30, |encoder| encoder.set_progressive(true)),
            _ => jpeg(40, 30, |encoder| encoder.set_restart_interval(2)),
        };
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let fit = Fit { bytes: 50_000, side: 20 };
        // Sides may have become long; only so many rows are waited for.
        let left = std::cell::Cell::new(2_000);
        let wanted = || { left.set(left.get() - 1); left.get() > 0 };
        if let Ok(made) = smaller(&bytes, fit, &wanted) {
            prop_assert!(made.len() <= fit.bytes && size(&made).is_some());
        }
    }
}
