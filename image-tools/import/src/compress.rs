//! Compressed streams, recognised by their first bytes and never by their name.

use std::io::{self, BufRead, BufReader, Read};

use crate::limits::{MAX_XZ_MEMORY_KIB, MAX_ZSTD_WINDOW_LOG};

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
    Xz,
}

impl Compression {
    /// What the first bytes say.
    pub(crate) fn of(head: &[u8]) -> Self {
        let skippable = head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == [0x2a, 0x4d, 0x18];
        if head.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || skippable {
            Self::Zstd
        } else if head.starts_with(b"\xfd7zXZ\0") {
            Self::Xz
        } else {
            Self::None
        }
    }
}

/// Unpacks `input`, whatever it is compressed with; streams of several parts are read to the last one.
pub(crate) fn decompressed<'a>(input: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    Ok(match Compression::of(input.fill_buf()?) {
        Compression::None => Box::new(input),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Compression::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(
            input,
            true,
            MAX_XZ_MEMORY_KIB,
        )),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(data: &[u8]) -> Vec<u8> {
        let options = lzma_rust2::XzOptions::with_preset(1);
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(data: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(data, 1).unwrap()
    }

    fn unpacked(data: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        decompressed(data)?.read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn every_compression_is_recognised_and_unpacked_to_the_last_part() {
        let (one, two) = (vec![1u8; 300_000], b"two".to_vec());
        let both = [one.clone(), two.clone()].concat();
        for pack in [gzip, xz, zstd] {
            let packed = [pack(&one), pack(&two)].concat();
            assert!(unpacked(&packed).unwrap() == both);
        }
        assert!(unpacked(&both).unwrap() == both);
        assert!(unpacked(b"").unwrap().is_empty());
    }

    #[test]
    fn cut_streams_are_errors() {
        let data: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        for pack in [gzip, xz, zstd] {
            let packed = pack(&data);
            assert!(unpacked(&packed[..packed.len() - 5]).is_err());
            assert!(unpacked(&packed[..packed.len() / 2]).is_err());
        }
    }
}
