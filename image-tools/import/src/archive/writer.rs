//! Entries as a tar archive that every tar reads: GNU headers, long names in GNU's extension headers (raw bytes, no
//! character set), attributes and fractions of seconds in pax records.

use std::io::{self, Write};

use tar::{EntryType, Header};

use super::{
    BLOCK,
    pax::{encode, timestamp_text},
};
use crate::{
    entry::{Kind, Meta},
    path::ImagePath,
};

/// Writes a tar archive to `W`.
pub(crate) struct TarWriter<W> {
    output: W,
    /// Content still owed for the current entry, and the padding after it.
    owed: u64,
    padding: usize,
}

impl<W: Write> TarWriter<W> {
    pub(crate) fn new(output: W) -> Self {
        Self {
            output,
            owed: 0,
            padding: 0,
        }
    }

    /// Writes the headers of an entry; a file's content must follow through [`Self::content`].
    pub(crate) fn entry(&mut self, path: &ImagePath, kind: &Kind, meta: &Meta) -> io::Result<()> {
        self.end_content()?;
        let mut header = Header::new_gnu();
        header.set_mode(meta.mode);
        header.set_uid(meta.uid.into());
        header.set_gid(meta.gid.into());
        header.set_mtime(meta.modified.seconds.max(0) as u64);
        header.set_size(0);
        let mut name = path.as_bytes().to_vec();
        let mut link: &[u8] = &[];
        match kind {
            Kind::Folder => {
                header.set_entry_type(EntryType::Directory);
                if name.is_empty() {
                    name.push(b'.');
                }
                name.push(b'/');
            }
            Kind::File { size_bytes, .. } => {
                header.set_size(*size_bytes);
                self.owed = *size_bytes;
                self.padding = (size_bytes.next_multiple_of(BLOCK as u64) - size_bytes) as usize;
            }
            Kind::Symlink { target } => {
                header.set_entry_type(EntryType::Symlink);
                link = target;
            }
            Kind::HardLink { target } => {
                header.set_entry_type(EntryType::Link);
                link = target.as_bytes();
            }
            Kind::Device { block, major, minor } => {
                header.set_entry_type(match block {
                    true => EntryType::Block,
                    false => EntryType::Char,
                });
                header.set_device_major(*major)?;
                header.set_device_minor(*minor)?;
            }
            Kind::Fifo => header.set_entry_type(EntryType::Fifo),
        }
        if !matches!(kind, Kind::HardLink { .. }) {
            self.pax(meta)?;
        }
        self.long(EntryType::GNULongLink, link)?;
        self.long(EntryType::GNULongName, &name)?;
        fit(&mut header.as_old_mut().linkname, link);
        fit(&mut header.as_old_mut().name, &name);
        header.set_cksum();
        self.output.write_all(header.as_bytes())
    }

    /// Writes content of the file that [`Self::entry`] announced; never more than its size.
    pub(crate) fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.owed = self
            .owed
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| io::Error::other("more content than was announced"))?;
        self.output.write_all(bytes)
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.end_content()?;
        self.output.write_all(&[0; 2 * BLOCK])?;
        self.output.flush()
    }

    fn end_content(&mut self) -> io::Result<()> {
        if self.owed > 0 {
            return Err(io::Error::other("less content than was announced"));
        }
        let padding = std::mem::take(&mut self.padding);
        self.output.write_all(&[0; BLOCK][..padding])
    }

    /// An extension header of pax records, when the entry has something to say in one.
    fn pax(&mut self, meta: &Meta) -> io::Result<()> {
        let mut data = Vec::new();
        let time = meta.modified;
        if time.nanos > 0 || time.seconds < 0 {
            encode(&mut data, "mtime", timestamp_text(time).as_bytes());
        }
        for (key, value) in &meta.records {
            encode(&mut data, key, value);
        }
        match data.is_empty() {
            true => Ok(()),
            false => self.extension(EntryType::XHeader, b"././@PaxHeader", &data),
        }
    }

    /// An extension header for a name that does not fit into its field.
    fn long(&mut self, kind: EntryType, name: &[u8]) -> io::Result<()> {
        if name.len() <= 100 {
            return Ok(());
        }
        let data = [name, b"\0"].concat();
        self.extension(kind, b"././@LongLink", &data)
    }

    fn extension(&mut self, kind: EntryType, name: &[u8], data: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        fit(&mut header.as_old_mut().name, name);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(data.len() as u64);
        header.set_entry_type(kind);
        header.set_cksum();
        self.output.write_all(header.as_bytes())?;
        self.output.write_all(data)?;
        let padding = data.len().next_multiple_of(BLOCK) - data.len();
        self.output.write_all(&[0; BLOCK][..padding])
    }
}

/// Puts the beginning of `value` into a field; the rest of a longer one stands in an extension header.
fn fit(field: &mut [u8; 100], value: &[u8]) {
    let length = value.len().min(field.len());
    field.fill(0);
    field[..length].copy_from_slice(&value[..length]);
}
