//! What a call proves itself with.

use openclaw_protocol::Secret;

use crate::bedrock::AwsKeys;

/// What goes along with a call so that the provider takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Access {
    /// The key or token.
    pub key: Option<Secret>,
    /// A key pair that signs each request, where the provider is Amazon's and there is no key.
    pub aws: Option<AwsKeys>,
    /// Whose subscription it is, where the provider asks for it beside the token.
    pub account: Option<String>,
    /// Where to call, when the provider says so along with the token.
    pub base_url: Option<String>,
}

impl Access {
    /// A key and nothing else.
    pub fn key(key: impl Into<String>) -> Self {
        Self::of(Secret::new(key))
    }

    /// A key that is a secret already.
    pub fn of(key: Secret) -> Self {
        Self {
            key: Some(key),
            ..Self::default()
        }
    }
}
