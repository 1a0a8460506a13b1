//! Where a file has data and where it has holes, so that nobody reads gigabytes of zeros to find out.

use std::{
    fs::File,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{SeekFrom, seek},
    io::Errno,
};

/// The parts of a file that hold data, in order, as byte ranges. Everything between them reads as zeros (data may be
/// zeros as well). On a file system that knows no holes, one range covers the whole file.
///
/// The position of the file moves; nobody else should seek in it meanwhile.
#[derive(Debug)]
pub struct DataRegions<'a> {
    file: &'a File,
    path: PathBuf,
    position: u64,
    length: u64,
}

/// The parts of a file cannot be found out.
#[derive(Debug, thiserror::Error)]
#[error("cannot find the data in {}", path.display())]
pub struct RegionsError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl RegionsError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        "import.data-regions"
    }
}

impl<'a> DataRegions<'a> {
    /// The data in `file`, which is called `path` in messages.
    pub fn new(file: &'a File, path: &Path) -> Result<Self, RegionsError> {
        // By seeking, because a block device says nothing of its size in its metadata.
        let length = seek(file, SeekFrom::End(0)).map_err(|error| RegionsError {
            path: path.to_owned(),
            source: error.into(),
        })?;
        Ok(Self {
            file,
            path: path.to_owned(),
            position: 0,
            length,
        })
    }

    /// The length of the file in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    fn next_region(&mut self) -> Result<Option<Range<u64>>, Errno> {
        if self.position >= self.length {
            return Ok(None);
        }
        let start = match seek(self.file, SeekFrom::Data(self.position)) {
            Ok(start) => start,
            // Only a hole is left.
            Err(Errno::NXIO) => return Ok(None),
            // No holes known here.
            Err(Errno::INVAL | Errno::NOTSUP) => {
                return Ok(Some(
                    std::mem::replace(&mut self.position, self.length)..self.length,
                ));
            }
            Err(error) => return Err(error),
        };
        let end = seek(self.file, SeekFrom::Hole(start))?.min(self.length);
        self.position = end;
        Ok((start < end).then_some(start..end))
    }
}

impl Iterator for DataRegions<'_> {
    type Item = Result<Range<u64>, RegionsError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_region()
            .map_err(|error| {
                self.position = self.length;
                RegionsError {
                    path: self.path.clone(),
                    source: error.into(),
                }
            })
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn regions(file: &File) -> Vec<Range<u64>> {
        DataRegions::new(file, Path::new("test"))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    }

    #[test]
    fn holes_are_passed_over_and_data_never() {
        let file = tempfile::tempfile().unwrap();
        assert!(regions(&file).is_empty());
        file.set_len(64 << 20).unwrap();
        file.write_all_at(b"one", 5).unwrap();
        file.write_all_at(b"two", 40 << 20).unwrap();
        let found = regions(&file);
        for byte in [5, 40 << 20, (40 << 20) + 2] {
            assert!(
                found.iter().any(|range| range.contains(&byte)),
                "{byte} in {found:?}"
            );
        }
        let data: u64 = found.iter().map(|range| range.end - range.start).sum();
        assert!(data <= 1 << 20, "{found:?}");
        assert!(found.is_sorted_by_key(|range| range.start));
    }

    #[test]
    fn a_file_without_holes_is_one_region() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[1; 10_000], 0).unwrap();
        assert_eq!(regions(&file).first(), Some(&(0..10_000)));
        assert_eq!(regions(&file).len(), 1);
    }
}
