//! Where Amazon's services are: the region is part of their address.

use super::Inputs;

/// The region that the known address names.
const USUAL: &str = "us-east-1";

/// The region of this machine's settings.
pub(super) fn region(inputs: &Inputs<'_>) -> String {
    let set = ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .into_iter()
        .find_map(|name| (inputs.env)(name).filter(|region| !region.trim().is_empty()));
    let stored = || inputs.profiles.amazon()?.region.clone();
    let found = set.map(|region| region.trim().to_owned()).or_else(stored);
    found.unwrap_or_else(|| USUAL.to_owned())
}

/// The region an address is in; else that of this machine's settings.
pub(super) fn region_of(url: &str, inputs: &Inputs<'_>) -> String {
    let named = url
        .split_once("://bedrock-runtime.")
        .or_else(|| url.split_once("://bedrock-runtime-fips."))
        .and_then(|(_, rest)| rest.split_once(".amazonaws."));
    named.map_or_else(|| region(inputs), |(region, _)| region.to_owned())
}

/// Moves the known address to this machine's region.
pub(super) fn placed(url: &str, inputs: &Inputs<'_>) -> String {
    let usual = format!("://bedrock-runtime.{USUAL}.amazonaws.com");
    match url.contains(&usual) {
        true => url.replace(USUAL, &region(inputs)),
        false => url.to_owned(),
    }
}
