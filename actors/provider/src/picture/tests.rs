use openclaw_protocol::ModelRef;
use openclaw_protocol::Prompt;
use openclaw_protocol::Tools;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::endpoint::Wire;

/// A grey PNG of these sides, packed as far as it goes.
fn png(width: u32, height: u32, noise: bool) -> String {
    use std::io::Write;
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut dice = 7_u32;
    for _ in 0..height {
        let mut row = vec![0; width as usize + 1];
        for byte in row.iter_mut().skip(1).filter(|_| noise) {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = dice.to_be_bytes()[0];
        }
        packed.write_all(&row).unwrap();
    }
    let mut made = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        made.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        made.extend_from_slice(kind);
        made.extend_from_slice(data);
        made.extend([0; 4]);
    };
    let sides = [width.to_be_bytes(), height.to_be_bytes()].concat();
    chunk(b"IHDR", &[&sides[..], &[8, 0, 0, 0, 0]].concat());
    chunk(b"IDAT", &packed.finish().unwrap());
    chunk(b"IEND", &[]);
    STANDARD.encode(made)
}

fn request(pictures: &[String]) -> ModelRequest {
    let shown = |data: &String| json!({ "type": "image", "data": data, "mimeType": "image/png" });
    let said = |content: Vec<Value>| -> Arc<Message> {
        Arc::new(serde_json::from_value(json!({ "role": "user", "content": content })).unwrap())
    };
    let mut messages = vec![said(vec![json!({ "type": "text", "text": "look" })])];
    messages.extend(pictures.iter().map(|data| said(vec![shown(data)])));
    ModelRequest {
        model: ModelRef::new("home", "eyes"),
        system: Prompt::default(),
        messages: messages.into(),
        tools: Tools::default(),
        max_tokens: None,
        session: "agent:main:main".parse().unwrap(),
        params: Value::Null,
    }
}

fn picture(request: &ModelRequest, at: usize) -> (&str, &str) {
    match parts(&request.messages[at]) {
        [
            Content::Image {
                data, mime_type, ..
            },
        ] => (data, mime_type),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_picture_that_is_too_large_is_made_smaller_and_is_the_same_each_time() {
    let pictures = Pictures {
        length: 300_000,
        ..Pictures::ANTHROPIC
    };
    // Too long, too wide, and in order.
    let request = request(&[
        png(700, 700, true),
        png(4000, 10, false),
        png(900, 900, false),
    ]);
    assert!(picture(&request, 1).0.len() > pictures.length);
    assert!(is_due(&request, &pictures));
    let made = fitted(request.clone(), &pictures).await;
    assert!(!is_due(&made, &pictures));
    assert!(Arc::ptr_eq(&made.messages[0], &request.messages[0]));
    assert!(Arc::ptr_eq(&made.messages[3], &request.messages[3]));
    let (first, second) = (picture(&made, 1), picture(&made, 2));
    assert!(first.0.len() <= pictures.length && first.1 == "image/jpeg");
    assert_eq!(size(second.0).unwrap().longest(), pictures.made);
    // From what is kept, and made anew.
    assert_eq!(
        fitted(request.clone(), &pictures).await.messages,
        made.messages
    );
    let sum = digest(&SHA256, picture(&request, 1).0.as_bytes());
    let fit = pictures.fit();
    let key: Key = (sum.as_ref().try_into().unwrap(), fit.bytes, fit.side);
    let kept = SHELF.lock().unwrap().find(&key).unwrap().unwrap();
    assert_eq!(&*kept, first.0);
    SHELF
        .lock()
        .unwrap()
        .made
        .retain(|(known, _)| *known != key);
    assert_eq!(fitted(request, &pictures).await.messages, made.messages);
}

#[tokio::test]
async fn what_can_t_be_made_smaller_stays_and_is_not_tried_again() {
    let mut broken = STANDARD.decode(png(3000, 3000, false)).unwrap();
    broken.truncate(2000);
    let request = request(&[STANDARD.encode(broken)]);
    assert!(is_due(&request, &Pictures::ANTHROPIC));
    let made = fitted(request.clone(), &Pictures::ANTHROPIC).await;
    assert_eq!(made.messages, request.messages);
    let sum = digest(&SHA256, picture(&request, 1).0.as_bytes());
    let fit = Pictures::ANTHROPIC.fit();
    let key: Key = (sum.as_ref().try_into().unwrap(), fit.bytes, fit.side);
    assert_eq!(SHELF.lock().unwrap().find(&key), Some(None));
}

#[test]
fn a_model_that_sees_nothing_has_no_pictures_made_for_it() {
    let request = request(&[png(3000, 10, false)]);
    assert!(!is_due(&request, &Pictures::ANTHROPIC.seen_by(false)));
    assert!(!is_due(&request, &Pictures::GOOGLE));
}

#[test]
fn every_wire_has_bounds_that_what_is_made_keeps() {
    for pictures in [
        Pictures::ANTHROPIC,
        Pictures::BEDROCK,
        Pictures::GOOGLE,
        Pictures::MANY,
    ] {
        assert!(pictures.made <= pictures.side && pictures.length <= pictures.all);
    }
    assert_eq!(Pictures::of(Wire::BedrockConverseStream), Pictures::BEDROCK);
    assert_eq!(Pictures::of(Wire::GoogleGenerativeAi), Pictures::GOOGLE);
}

#[test]
fn what_is_kept_has_a_bound() {
    let mut shelf = Shelf::default();
    let text: Arc<str> = "x".repeat(KEPT / 4).into();
    for n in 0..9 {
        shelf.keep(([n; 32], 0, 0), Some(Arc::clone(&text)));
        assert!(shelf.letters <= KEPT);
    }
    assert_eq!(shelf.find(&([0; 32], 0, 0)), None);
    assert_eq!(shelf.find(&([8; 32], 0, 0)), Some(Some(text)));
}
