//! Any text as a frame: a request, or the reason why it is none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openclaw_protocol::frame::Request;

fuzz_target!(|text: &str| {
    if let Ok(request) = Request::parse(text) {
        assert!(!request.id.is_empty() && !request.method.is_empty());
    }
});
