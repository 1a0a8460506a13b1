//! One 512-byte tar header: where the fields are, and how numbers stand in them.

use super::BLOCK;

/// A header block whose checksum is right.
pub(super) struct Header([u8; BLOCK]);

impl Header {
    /// Takes a block; `None` when its checksum does not fit.
    pub(super) fn checked(block: [u8; BLOCK]) -> Option<Self> {
        let header = Self(block);
        let stated = number(&header.0[148..156])?;
        let outside = |index: &usize| !(148..156).contains(index);
        let bytes = || (0..BLOCK).filter(outside).map(|index| header.0[index]);
        let unsigned = bytes().map(i64::from).sum::<i64>() + 8 * i64::from(b' ');
        // Some old programs added the bytes up as signed ones.
        let signed = bytes().map(|byte| i64::from(byte as i8)).sum::<i64>() + 8 * i64::from(b' ');
        (stated == unsigned || stated == signed).then_some(header)
    }

    pub(super) fn kind(&self) -> u8 {
        self.0[156]
    }

    /// The name, with the prefix of POSIX headers in front.
    pub(super) fn path(&self) -> Vec<u8> {
        let name = text(&self.0[..100]);
        let posix = &self.0[257..263] == b"ustar\0";
        match text(&self.0[345..500]) {
            prefix if posix && !prefix.is_empty() => [prefix, b"/", name].concat(),
            _ => name.to_vec(),
        }
    }

    pub(super) fn link_target(&self) -> Vec<u8> {
        text(&self.0[157..257]).to_vec()
    }

    pub(super) fn mode(&self) -> Option<i64> {
        number(&self.0[100..108])
    }

    pub(super) fn uid(&self) -> Option<i64> {
        number(&self.0[108..116])
    }

    pub(super) fn gid(&self) -> Option<i64> {
        number(&self.0[116..124])
    }

    /// How many bytes follow in the archive.
    pub(super) fn size(&self) -> Option<u64> {
        number(&self.0[124..136])?.try_into().ok()
    }

    pub(super) fn modified(&self) -> Option<i64> {
        number(&self.0[136..148])
    }

    /// Major and minor number; only POSIX and GNU headers have them.
    pub(super) fn device(&self) -> Option<(u32, u32)> {
        let major = number(&self.0[329..337])?.try_into().ok()?;
        let minor = number(&self.0[337..345])?.try_into().ok()?;
        Some((major, minor))
    }

    /// Old GNU sparse header: the size of the file with its holes.
    pub(super) fn real_size(&self) -> Option<u64> {
        number(&self.0[483..495])?.try_into().ok()
    }

    /// Old GNU sparse header: the first four pieces, and whether blocks with more follow.
    pub(super) fn sparse_pieces(&self) -> Option<(Vec<(u64, u64)>, bool)> {
        Some((pieces(&self.0[386..482])?, self.0[482] != 0))
    }
}

/// The pieces in an extension block of an old GNU sparse header, and whether another block follows.
pub(super) fn more_sparse_pieces(block: &[u8; BLOCK]) -> Option<(Vec<(u64, u64)>, bool)> {
    Some((pieces(&block[..504])?, block[504] != 0))
}

/// Offset and length, 12 bytes each; an empty slot ends the list.
fn pieces(field: &[u8]) -> Option<Vec<(u64, u64)>> {
    field
        .chunks_exact(24)
        .take_while(|slot| slot[0] != 0)
        .map(|slot| {
            let offset = number(&slot[..12])?.try_into().ok()?;
            let length = number(&slot[12..])?.try_into().ok()?;
            Some((offset, length))
        })
        .collect()
}

/// A text field: up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0);
    &field[..end.unwrap_or(field.len())]
}

/// A number field: octal digits between blanks, or, when its first bit is set, big-endian two's complement. An empty
/// field is 0.
fn number(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 != 0 {
        return binary(field);
    }
    let digits = text(field).trim_ascii();
    digits.iter().try_fold(0i64, |value, &digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

fn binary(field: &[u8]) -> Option<i64> {
    // The top bit says "binary", the next one is the sign.
    let negative = field[0] & 0x40 != 0;
    let first = if negative { field[0] } else { field[0] & 0x7f };
    let start = if negative { -1i64 } else { 0 };
    std::iter::once(first)
        .chain(field[1..].iter().copied())
        .try_fold(start, |value, byte| {
            value.checked_mul(256)?.checked_add(i64::from(byte))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_archives_write_them() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"        "), Some(0));
        assert_eq!(number(b"00006x4\0"), None);
        assert_eq!(number(b"77777777777\0"), Some(0o77_777_777_777));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(0x2_0000_0000));
        assert_eq!(number(&[0xff; 12]), Some(-1));
        assert_eq!(number(b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
    }

    #[test]
    fn a_changed_header_is_noticed() {
        let mut header = tar::Header::new_gnu();
        header.set_path("etc/hosts").unwrap();
        header.set_size(12);
        header.set_cksum();
        let mut block = *header.as_bytes();
        let read = Header::checked(block).unwrap();
        assert_eq!(read.path(), b"etc/hosts");
        assert_eq!(read.size(), Some(12));
        block[3] ^= 1;
        assert!(Header::checked(block).is_none());
    }
}
