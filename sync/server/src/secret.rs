//! Fresh secrets.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use gobag_protocol::enrol::TokenText;

use crate::refusal::{Answer, Refusal};

/// A token of 256 random bits that begins with `prefix`.
pub(crate) fn token(prefix: &str) -> Answer<TokenText> {
    let bytes: [u8; 32] = random()?;
    let text = format!("{prefix}{}", BASE64.encode(bytes));
    TokenText::parse(&text, prefix).ok_or_else(|| Refusal::unavailable("a token that is none"))
}

/// Random bytes of the system.
pub(crate) fn random<const N: usize>() -> Answer<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Refusal::unavailable("the system gives no random bytes"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_have_the_form() {
        let (one, other) = (token("gbe_").unwrap(), token("gbe_").unwrap());
        assert_ne!(one.expose(), other.expose());
    }
}
