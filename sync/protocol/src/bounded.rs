//! Lists with an end: one item too many is an error before it is kept, whatever the sender says about the length.

use std::{fmt, marker::PhantomData, ops::Deref};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, SeqAccess, Visitor},
};

/// At most `MAX` items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Bounded<T, const MAX: usize>(Vec<T>);

/// More items than fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at most {most} items fit, and there are {found}")]
pub struct TooMany {
    /// How many fit.
    pub most: usize,
    /// How many there are.
    pub found: usize,
}

impl<T, const MAX: usize> Bounded<T, MAX> {
    /// The list, if it is not too long.
    pub fn new(items: Vec<T>) -> Result<Self, TooMany> {
        match items.len() {
            found if found > MAX => Err(TooMany { most: MAX, found }),
            _ => Ok(Self(items)),
        }
    }

    /// The items.
    pub fn into_inner(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for Bounded<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> Deref for Bounded<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Bounded<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Items(PhantomData))
    }
}

struct Items<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Items<T, MAX> {
    type Value = Bounded<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        // The hint is the sender's word: no more than the first few items are believed.
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(MAX).min(64));
        while let Some(item) = seq.next_element()? {
            if items.len() == MAX {
                return Err(A::Error::custom(format_args!("more than {MAX} items")));
            }
            items.push(item);
        }
        Ok(Bounded(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_item_too_many_is_refused_read_or_made() {
        type Three = Bounded<u8, 3>;
        assert_eq!(serde_json::from_str::<Three>("[1,2,3]").unwrap().len(), 3);
        let error = serde_json::from_str::<Three>("[1,2,3,4]").unwrap_err();
        assert!(error.to_string().starts_with("more than 3 items"), "{error}");
        assert_eq!(Three::new(vec![0; 4]).unwrap_err(), TooMany { most: 3, found: 4 });
    }

    #[test]
    fn an_endless_list_ends_at_the_limit() {
        struct Endless;
        impl<'de> SeqAccess<'de> for Endless {
            type Error = serde::de::value::Error;
            fn next_element_seed<S: serde::de::DeserializeSeed<'de>>(
                &mut self,
                seed: S,
            ) -> Result<Option<S::Value>, Self::Error> {
                use serde::de::IntoDeserializer;
                seed.deserialize(7u8.into_deserializer()).map(Some)
            }
            fn size_hint(&self) -> Option<usize> {
                Some(usize::MAX)
            }
        }
        assert!(Items::<u8, 1000>(PhantomData).visit_seq(Endless).is_err());
    }
}
