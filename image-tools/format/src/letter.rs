//! Letters: short signed texts that IT mails to people or that people type, as lines of `name: value` in one order.
//!
//! The signature covers what the lines say (one space, ended by byte 10), not how they are ended or indented, so a mail program that
//! changes line ends does no harm. Nothing read here is believed: a letter's own module checks the signature.

use std::fmt::{Display, Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use crate::{
    limits::MAX_COUNT,
    sign::{SIGNATURE_LEN, SigningKey},
};

/// What a kind of letters is called, and its newest version.
pub(crate) struct Kind {
    pub(crate) title: &'static str,
    pub(crate) version: u64,
    /// What its signature is for.
    pub(crate) domain: &'static str,
    pub(crate) most_bytes: usize,
}

/// Why a text is no letter of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LetterError {
    TooLarge,
    Malformed { reason: String },
    NewerFormat { found: u64 },
}

impl Kind {
    /// What is signed.
    pub(crate) fn text(&self, lines: &[(&str, &dyn Display)]) -> String {
        let mut text = format!("{} {}\n", self.title, self.version);
        for (name, value) in lines {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}: {value}");
        }
        text
    }

    /// The whole letter.
    pub(crate) fn sign(&self, said: &str, key: &SigningKey) -> String {
        let signature = key.sign(self.domain, said.as_bytes());
        format!("{said}signature: {}\n", BASE64.encode(signature))
    }

    /// The lines of a letter, after its title.
    pub(crate) fn open<'a>(&self, text: &'a [u8]) -> Result<Lines<'a>, LetterError> {
        if text.len() > self.most_bytes {
            return Err(LetterError::TooLarge);
        }
        let text = std::str::from_utf8(text).map_err(|_| malformed("it is not text"))?;
        let mut lines = text.trim().lines();
        let line = lines.next().unwrap_or_default().trim();
        let version = line
            .strip_prefix(self.title)
            .and_then(|rest| plain_number(rest.trim()));
        match version {
            Some(version) if version == self.version => Ok(Lines(lines)),
            Some(found) if found > self.version => Err(LetterError::NewerFormat { found }),
            _ => Err(malformed("it does not begin like one")),
        }
    }
}

/// The lines still to be read.
pub(crate) struct Lines<'a>(std::str::Lines<'a>);

impl<'a> Lines<'a> {
    /// The value of the next line, which must have this name.
    pub(crate) fn value(&mut self, name: &str) -> Result<&'a str, LetterError> {
        let line = self.0.next().map(str::trim).and_then(|line| line.split_once(':'));
        match line {
            Some((found, value)) if found == name => Ok(value.trim()),
            _ => Err(malformed(&format!("the line `{name}` is missing"))),
        }
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<u64, LetterError> {
        let number = plain_number(self.value(name)?).filter(|number| *number <= MAX_COUNT);
        number.ok_or_else(|| malformed(&format!("`{name}` is no number")))
    }

    /// The signature, which comes last.
    pub(crate) fn signature(mut self) -> Result<[u8; SIGNATURE_LEN], LetterError> {
        let signature = BASE64
            .decode(self.value("signature")?)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| malformed("`signature` is none"))?;
        match self.0.next() {
            None => Ok(signature),
            Some(_) => Err(malformed("there is more behind the signature")),
        }
    }
}

/// Digits and nothing else, as they are written: one number has one text.
fn plain_number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

pub(crate) fn malformed(reason: &str) -> LetterError {
    LetterError::Malformed {
        reason: reason.to_owned(),
    }
}
