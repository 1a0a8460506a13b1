//! Sealed bytes in JSON: base64, and never more than fit.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

use crate::bounded::TooMany;

/// At most `MAX` bytes that only the stick can read; `Debug` tells how many.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Sealed<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Sealed<MAX> {
    /// The bytes, if they are not too many.
    pub fn new(bytes: Vec<u8>) -> Result<Self, TooMany> {
        match bytes.len() {
            found if found > MAX => Err(TooMany { most: MAX, found }),
            _ => Ok(Self(bytes)),
        }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes.
    pub fn into_inner(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> fmt::Debug for Sealed<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sealed bytes", self.0.len())
    }
}

impl<const MAX: usize> Serialize for Sealed<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Sealed<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text::<MAX>)
    }
}

struct Text<const MAX: usize>;

impl<const MAX: usize> Visitor<'_> for Text<MAX> {
    type Value = Sealed<MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX} bytes in base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.len() > MAX.div_ceil(3) * 4 {
            return Err(E::custom(format_args!("more than {MAX} bytes")));
        }
        let bytes = BASE64.decode(text).map_err(|_| E::custom("this is not base64"))?;
        Sealed::new(bytes).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_survive_their_text(bytes in proptest::collection::vec(any::<u8>(), 0..=64)) {
            let sealed = Sealed::<64>::new(bytes).unwrap();
            let text = serde_json::to_string(&sealed).unwrap();
            prop_assert_eq!(serde_json::from_str::<Sealed<64>>(&text).unwrap(), sealed);
        }
    }

    #[test]
    fn what_is_too_long_or_no_base64_is_refused_and_debug_says_nothing() {
        let text = |bytes: &[u8]| format!("{:?}", BASE64.encode(bytes));
        assert!(serde_json::from_str::<Sealed<4>>(&text(&[0; 4])).is_ok());
        // As long in base64 as four bytes are, and longer.
        assert!(serde_json::from_str::<Sealed<4>>(&text(&[0; 5])).is_err());
        assert!(serde_json::from_str::<Sealed<4>>(&text(&[0; 9])).is_err());
        assert!(serde_json::from_str::<Sealed<4>>("\"%%%%\"").is_err());
        assert_eq!(format!("{:?}", Sealed::<4>(vec![1, 2])), "2 sealed bytes");
    }
}
