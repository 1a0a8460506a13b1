//! Bytes to text, as tolerant as tools of other systems make necessary (UTF-16, byte order marks, CRLF).

/// Why there is no text.
const NO_TEXT: &str = "the answer is no text";

pub(super) fn decode(bytes: &[u8]) -> Result<String, String> {
    let text = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        bytes if looks_like_utf16(bytes) => utf16(bytes, u16::from_le_bytes)?,
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    };
    if text.contains('\0') {
        return Err(NO_TEXT.to_owned());
    }
    Ok(text.replace("\r\n", "\n"))
}

/// Windows tools write UTF-16 without a mark into a pipe; then every second byte of plain letters is zero.
fn looks_like_utf16(bytes: &[u8]) -> bool {
    let pairs = bytes.chunks_exact(2);
    let plain = pairs.clone().filter(|pair| pair[0] != 0 && pair[1] == 0).count();
    bytes.len() >= 4 && bytes.len().is_multiple_of(2) && plain * 2 > pairs.len()
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    if !bytes.len().is_multiple_of(2) {
        return Err(NO_TEXT.to_owned());
    }
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| unit([pair[0], pair[1]]))
        .collect();
    Ok(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_widths_and_line_ends_do_not_matter() {
        let utf16 = |text: &str| {
            text.encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<u8>>()
        };
        let big: Vec<u8> = "a: On\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [
            b"a: On\n".to_vec(),
            b"a: On\r\n".to_vec(),
            b"\xef\xbb\xbfa: On\n".to_vec(),
            [b"\xff\xfe".to_vec(), utf16("a: On\r\n")].concat(),
            [b"\xfe\xff".to_vec(), big].concat(),
            utf16("a: On\r\n"),
        ] {
            assert_eq!(decode(&bytes).as_deref(), Ok("a: On\n"), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_text_says_so() {
        for bytes in [b"a\0b\0\0\0\0\0".as_slice(), b"\xff\xfea", b"On\0"] {
            assert_eq!(decode(bytes), Err(NO_TEXT.to_owned()), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_survives_in_every_encoding(text in "[a-zA-Z0-9äß: ]{4,60}") {
            let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            prop_assert_eq!(decode(text.as_bytes()), Ok(text.clone()));
            prop_assert_eq!(decode(&[b"\xff\xfe".to_vec(), utf16].concat()), Ok(text));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(text) = decode(&bytes) {
                prop_assert!(!text.contains('\0'));
            }
        }
    }
}
