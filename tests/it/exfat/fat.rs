//! As much of exFAT as copying files out of a healthy file system takes. That it is healthy is `fsck.exfat`'s word.

use std::{fs::File, io, io::Write, os::unix::fs::FileExt, path::Path};

const ENTRY: usize = 32;
const FILE: u8 = 0x85;
const STREAM: u8 = 0xc0;
const NAME: u8 = 0xc1;
/// Bit of a file's attributes: it is a folder.
const FOLDER: u16 = 0x10;
/// Bit of a stream's flags: its clusters follow each other, and the table says nothing about them.
const CONTIGUOUS: u8 = 2;
/// Values of the table from here on are no clusters.
const BAD_CLUSTER: u32 = 0xffff_fff7;
/// More folders inside each other than the bundle has.
const MOST_DEPTH: u32 = 8;

/// The file system's frame, in bytes.
struct Volume<'a> {
    image: &'a File,
    table: u64,
    heap: u64,
    cluster_bytes: u64,
    clusters: u32,
}

/// Where something lies.
#[derive(Clone, Copy)]
struct Place {
    cluster: u32,
    bytes: u64,
    contiguous: bool,
}

/// Copies all files and folders in `image` to `folder`.
pub(super) fn extract(image: &File, folder: &Path) -> io::Result<()> {
    let mut boot = [0; 512];
    image.read_exact_at(&mut boot, 0)?;
    if &boot[3..11] != b"EXFAT   " {
        return Err(bad("no exFAT file system"));
    }
    let sector = 1_u64 << boot[108];
    let volume = Volume {
        image,
        table: u64::from(le32(&boot, 80)) * sector,
        heap: u64::from(le32(&boot, 88)) * sector,
        cluster_bytes: sector << boot[109],
        clusters: le32(&boot, 92),
    };
    let root = Place {
        cluster: le32(&boot, 96),
        bytes: u64::MAX,
        contiguous: false,
    };
    volume.copy_folder(root, folder, MOST_DEPTH)
}

impl Volume<'_> {
    fn copy_folder(&self, place: Place, to: &Path, depth: u32) -> io::Result<()> {
        let content = self.content(place)?;
        let mut entries = content.chunks_exact(ENTRY).peekable();
        while let Some(entry) = entries.next() {
            match entry[0] {
                0 => break,
                FILE => {}
                _ => continue,
            }
            let is_folder = le16(entry, 4) & FOLDER != 0;
            let stream = entries
                .next_if(|next| next[0] == STREAM)
                .ok_or_else(|| bad("a file without a stream"))?;
            let mut letters = Vec::new();
            while let Some(name) = entries.next_if(|next| next[0] == NAME) {
                letters.extend(name[2..].chunks_exact(2).map(|pair| le16(pair, 0)));
            }
            letters.truncate(usize::from(stream[3]));
            let name = String::from_utf16(&letters).map_err(|_| bad("a name that is no text"))?;
            let place = Place {
                cluster: le32(stream, 20),
                bytes: le64(stream, 24),
                contiguous: stream[1] & CONTIGUOUS != 0,
            };
            let path = to.join(name);
            if is_folder {
                let depth = depth.checked_sub(1).ok_or_else(|| bad("folders without end"))?;
                std::fs::create_dir(&path)?;
                self.copy_folder(place, &path, depth)?;
            } else {
                let mut file = File::create_new(&path)?;
                file.write_all(&self.content(place)?)?;
            }
        }
        Ok(())
    }

    fn content(&self, place: Place) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let (mut cluster, mut left) = (place.cluster, self.clusters);
        while (content.len() as u64) < place.bytes && (2..BAD_CLUSTER).contains(&cluster) {
            left = left.checked_sub(1).ok_or_else(|| bad("clusters in a circle"))?;
            let wanted = (place.bytes - content.len() as u64).min(self.cluster_bytes) as usize;
            let start = content.len();
            content.resize(start + wanted, 0);
            let at = self.heap + u64::from(cluster - 2) * self.cluster_bytes;
            self.image.read_exact_at(&mut content[start..], at)?;
            cluster = if place.contiguous {
                cluster + 1
            } else {
                let mut next = [0; 4];
                self.image
                    .read_exact_at(&mut next, self.table + u64::from(cluster) * 4)?;
                le32(&next, 0)
            };
        }
        if place.bytes != u64::MAX && content.len() as u64 != place.bytes {
            return Err(bad("a file that ends early"));
        }
        Ok(content)
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from(bytes[at]) | u16::from(bytes[at + 1]) << 8
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from(le16(bytes, at)) | u32::from(le16(bytes, at + 2)) << 16
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at)) | u64::from(le32(bytes, at + 4)) << 32
}
