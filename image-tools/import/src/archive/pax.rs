//! Pax extension records: `LENGTH KEY=VALUE\n`, where the length decides and the value may hold anything.

use crate::entry::Timestamp;

/// What one pax extension header says about the entry after it.
#[derive(Clone, Debug, Default)]
pub(super) struct Records(Vec<(String, Vec<u8>)>);

/// Records that are passed on with an entry: attributes and access control lists.
const PASSED_ON: [&str; 3] = ["SCHILY.xattr.", "SCHILY.acl.", "RHT.security.selinux"];

impl Records {
    /// Parses the content of an extension header.
    pub(super) fn parse(mut data: &[u8]) -> Option<Self> {
        let mut records = Vec::new();
        while !data.is_empty() {
            let blank = data.iter().position(|&byte| byte == b' ')?;
            let length: usize = str::from_utf8(&data[..blank]).ok()?.parse().ok()?;
            let record = data.get(blank + 1..length)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|&byte| byte == b'=')?;
            let key = str::from_utf8(&record[..equals]).ok()?;
            records.push((key.to_owned(), record[equals + 1..].to_vec()));
            data = &data[length..];
        }
        Some(Self(records))
    }

    /// Puts `newer` over these: for equal keys the newer value counts.
    pub(super) fn extend(&mut self, newer: Records) {
        self.0.extend(newer.0);
    }

    /// Bytes of all keys and values.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|(key, value)| key.len() + value.len()).sum()
    }

    /// The value of `key`: the last one given, unless it is empty, which means "none".
    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        let value = self.0.iter().rev().find(|(name, _)| name == key);
        value
            .map(|(_, value)| value.as_slice())
            .filter(|value| !value.is_empty())
    }

    /// The value of `key` as a number: absent is `Ok(None)`, not a number is `Err`.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, ()> {
        self.get(key).map(|value| decimal(value).ok_or(())).transpose()
    }

    /// The `mtime` record.
    pub(super) fn modified(&self) -> Result<Option<Timestamp>, ()> {
        self.get("mtime")
            .map(|value| timestamp(value).ok_or(()))
            .transpose()
    }

    /// Keys and values in the order in which they stand, for the formats that repeat a key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_slice()))
    }

    /// The records to pass on with the entry, one for each key.
    pub(super) fn passed_on(&self) -> Vec<(String, Vec<u8>)> {
        let mut kept: Vec<(String, Vec<u8>)> = Vec::new();
        for (key, value) in &self.0 {
            if !PASSED_ON.iter().any(|prefix| key.starts_with(prefix)) {
                continue;
            }
            match kept.iter_mut().find(|(name, _)| name == key) {
                Some((_, old)) => old.clone_from(value),
                None => kept.push((key.clone(), value.clone())),
            }
        }
        kept
    }
}

/// Encodes one record; its length counts itself.
pub(super) fn encode(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + digits(length) != length {
        length = rest + digits(length);
    }
    out.extend_from_slice(format!("{length} {key}=").as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

/// Decimal digits and nothing else.
pub(super) fn decimal(value: &[u8]) -> Option<u64> {
    let plain = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    plain.then(|| str::from_utf8(value).ok()?.parse().ok()).flatten()
}

/// `-12.5` is 11 seconds and a half before 12 seconds before 1970, kept as -13 s and 500,000,000 ns.
fn timestamp(value: &[u8]) -> Option<Timestamp> {
    let text = str::from_utf8(value).ok()?;
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds = i64::try_from(decimal(whole.as_bytes())?).ok()?;
    let nanos = fraction
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(9)
        .try_fold(0u32, |value, digit| {
            let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
            Some(value * 10 + u32::from(digit))
        })?;
    Some(match (negative, nanos) {
        (false, nanos) => Timestamp { seconds, nanos },
        (true, 0) => Timestamp {
            seconds: -seconds,
            nanos: 0,
        },
        (true, nanos) => Timestamp {
            seconds: -seconds - 1,
            nanos: 1_000_000_000 - nanos,
        },
    })
}

/// The text of [`timestamp`].
pub(super) fn timestamp_text(time: Timestamp) -> String {
    match time {
        Timestamp { seconds, nanos: 0 } => seconds.to_string(),
        Timestamp { seconds, nanos } if seconds < 0 => {
            let (whole, fraction) = (-(seconds + 1), 1_000_000_000 - nanos);
            format!("-{whole}.{fraction:09}")
        }
        Timestamp { seconds, nanos } => format!("{seconds}.{nanos:09}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_hold_newlines_and_equal_signs() {
        let mut data = Vec::new();
        encode(&mut data, "SCHILY.xattr.user.a", b"x\n=\0y\n");
        encode(&mut data, "path", b"b/c");
        let records = Records::parse(&data).unwrap();
        assert_eq!(records.get("path"), Some(&b"b/c"[..]));
        assert_eq!(
            records.passed_on(),
            [("SCHILY.xattr.user.a".to_owned(), b"x\n=\0y\n".to_vec())]
        );
    }

    #[test]
    fn the_length_counts_its_own_digits() {
        for size in [0, 1, 85, 86, 87, 88, 89, 90, 91, 984, 985, 986, 990, 991, 9990] {
            let mut data = Vec::new();
            encode(&mut data, "key", &vec![b'v'; size]);
            let blank = data.iter().position(|&byte| byte == b' ').unwrap();
            assert_eq!(decimal(&data[..blank]), Some(data.len() as u64), "{size}");
            assert_eq!(Records::parse(&data).unwrap().iter().count(), 1);
        }
    }

    #[test]
    fn broken_records_are_refused() {
        for bad in [
            &b"5"[..],
            b"99 path=a\n",
            b"3 a=b\n",
            b"8 path=a",
            b"0 =\n",
            b"x a=b\n",
            b"4 =\n9",
        ] {
            assert!(Records::parse(bad).is_none(), "{bad:?}");
        }
        assert!(Records::parse(b"").is_some());
    }

    #[test]
    fn times_before_1970_and_fractions_survive() {
        for text in [
            "0",
            "12.500000000",
            "-12.500000000",
            "-13",
            "-0.250000000",
            "9999999999.000000001",
        ] {
            let time = timestamp(text.as_bytes()).unwrap();
            assert_eq!(timestamp_text(time), text);
        }
        assert_eq!(timestamp(b"1.5").unwrap().nanos, 500_000_000);
        for bad in ["", "a", "1.x", "1e5", "--1", "99999999999999999999"] {
            assert!(timestamp(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
