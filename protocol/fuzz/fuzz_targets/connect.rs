//! Any JSON as what a client says of itself, up to the text that its device signs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openclaw_protocol::ConnectParams;
use openclaw_protocol::device::Layout;
use openclaw_protocol::device::SignedFacts;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice(bytes) else {
        return;
    };
    let Ok(params) = ConnectParams::parse(value) else {
        return;
    };
    if let Some(device) = &params.device {
        for layout in [Layout::V1, Layout::V2, Layout::V3] {
            let text = SignedFacts::of(&params, device).text(layout);
            assert!(text.contains(&device.id));
        }
    }
});
