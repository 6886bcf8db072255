//! Elevated mode: which programs of a sandboxed session run outside its walls, and by which rules. Pure.

use serde_json::Value;

use super::rules::Ask;
use super::rules::Rules;
use super::rules::Security;
use crate::Elevated;
use crate::ToolCall;
use crate::sandbox::Setting;

/// The walls around a launch of a sandboxed session; none where its turn may leave them. A model can choose to stay
/// inside, never to leave.
pub(super) fn walls(
    setting: Setting,
    call: &ToolCall,
    rules: &mut Rules,
) -> Result<Option<Setting>, String> {
    let wish = call.arguments.get("elevated").and_then(Value::as_bool);
    match (call.caller.elevated, wish) {
        (Elevated::Off, Some(true)) => Err(
            "this session is sandboxed and not elevated; a person who may says /elevated on. See: openclaw sandbox explain"
                .to_owned(),
        ),
        (Elevated::Off, _) | (_, Some(false)) => Ok(Some(setting)),
        (Elevated::Ask, _) => Ok(None),
        (Elevated::Full, _) => {
            // What forbids goes on forbidding, and whoever wrote "always" meant it.
            if rules.security != Security::Deny && rules.ask != Ask::Always {
                rules.security = Security::Full;
                rules.ask = Ask::Off;
            }
            Ok(None)
        }
    }
}
