//! `tools`: which tools agents may use.

use serde::Deserialize;

use super::web::Web;

/// Which tools agents may use.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tools {
    /// The basis: `minimal`, `coding`, `messaging`, `full`.
    pub profile: Option<String>,
    /// Only these.
    pub allow: Vec<String>,
    /// These too.
    pub also_allow: Vec<String>,
    /// Never these.
    pub deny: Vec<String>,
    /// How they read and search the web.
    pub web: Web,
}
