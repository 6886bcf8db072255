//! The status as text.

use serde_json::Value;

use super::Terminal;
use super::Tone;
use super::health;
use super::render;

pub(super) fn render(_document: &Value, _wide: bool, _usage: bool, _terminal: &Terminal) -> String {
    let _ = (health::string, render::ago, Tone::Good);
    String::new()
}
