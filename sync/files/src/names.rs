//! What a root makes of names: which it takes for one, gives another form, or refuses. Asked of the file system itself, in a folder of ours: at the
//! opening of a root whether there is anything to ask, and of a name that is odd by itself then.

use std::{
    cell::Cell,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::{Mutex, PoisonError},
};

use gobag_reconcile::{Name, composed};
use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, mkdirat, openat, statat, unlinkat},
    io::Errno,
};

use crate::{OURS, limits, root::subfolder};

/// In our folder: where names are tried.
const TRIED: &str = "names";

/// What a root makes of names.
pub(crate) struct Names {
    folds: bool,
    normalises: bool,
    is_picky: bool,
    takes_long: bool,
    bench: Mutex<Bench>,
}

impl Names {
    pub(crate) fn of(ours: BorrowedFd<'_>) -> Result<Self, Errno> {
        let bench = Bench::new(ours)?;
        let (short, long) = ("\u{e9}", "e\u{301}");
        let listed = bench.listed(short.as_bytes())?;
        let is_one = |one: &str, other: &str| bench.is_one(one.as_bytes(), other.as_bytes());
        let odd: [&[u8]; 7] = [b"a:b", b"a\\b?*<>|\"", b"a.", b"a ", b"a\x01", b"a\xff", b"con"];
        let mut is_picky = false;
        for name in odd {
            is_picky |= !bench.takes(name)?;
        }
        Ok(Self {
            folds: is_one("Probe", "pROBE")? || is_one(short, long)?,
            normalises: listed.is_some_and(|listed| listed == long.as_bytes()),
            is_picky,
            takes_long: bench.takes(&[b'a'; limits::NAME])?,
            bench: Mutex::new(bench),
        })
    }

    /// Whether there are names that it takes for one.
    pub(crate) fn fold(&self) -> bool {
        self.folds
    }

    /// Whether it lists another spelling than it was given.
    pub(crate) fn normalise(&self) -> bool {
        self.normalises
    }

    /// Whether it takes both for one.
    pub(crate) fn is_one(&self, one: &[u8], other: &[u8]) -> Result<bool, Errno> {
        match self.folds {
            true => self.bench().is_one(one, other),
            false => Ok(false),
        }
    }

    /// Whether nothing can have this name there.
    pub(crate) fn refuses(&self, name: &[u8]) -> Result<bool, Errno> {
        let is_long = name.len() > limits::NAME || (!self.takes_long && name.len() > limits::SHORT_NAME);
        match is_long || (self.is_picky && is_odd(name)) {
            true => Ok(!self.bench().takes(name)?),
            false => Ok(false),
        }
    }

    /// The name of what is listed by these bytes: where letters and accents are kept apart, as people write them.
    pub(crate) fn of_listed(&self, listed: &[u8]) -> Option<Name> {
        let whole = (self.normalises && !listed.is_ascii()).then(|| composed(listed));
        whole.flatten().or_else(|| Name::new(listed).ok())
    }

    fn bench(&self) -> std::sync::MutexGuard<'_, Bench> {
        self.bench.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the name is that of our folder to some file system: capitals, the long s, letters that stand for nothing, FAT's short names.
pub fn is_ours(name: &Name) -> bool {
    let plain = || name.as_bytes().iter().filter(|byte| byte.is_ascii());
    let is = |what: &str| plain().map(u8::to_ascii_lowercase).eq(what.bytes());
    let is_short = |start: &[u8]| start.eq_ignore_ascii_case(b"gobag-~");
    is(OURS) || is(".gobag-ync") || name.as_bytes().get(..7).is_some_and(is_short)
}

/// Whether some file system could refuse it: Windows' reserved letters and names, what is no text, letters beyond the first 65,536.
fn is_odd(name: &[u8]) -> bool {
    let is_odd = |byte: &u8| matches!(byte, ..0x20 | b':' | b'\\' | b'?' | b'*' | b'<' | b'>' | b'|' | b'"' | 0x7f | 0xf0..);
    let stem = name.split(|byte| *byte == b'.').next().unwrap_or_default();
    let stem = stem.trim_ascii_end().to_ascii_lowercase();
    let is_reserved = matches!(
        &stem[..],
        b"con" | b"prn" | b"aux" | b"nul" | b"clock$" | b"conin$" | b"conout$"
    ) || (stem.starts_with(b"com") || stem.starts_with(b"lpt")) && stem.len() <= 5;
    is_reserved
        || name.iter().any(is_odd)
        || name.starts_with(b" ")
        || name.ends_with(b" ")
        || name.ends_with(b".")
        || std::str::from_utf8(name).is_err()
}

/// A folder that nobody else tries names in.
struct Bench {
    within: OwnedFd,
    name: String,
    folder: OwnedFd,
    tried: Cell<u64>,
}

impl Bench {
    fn new(ours: BorrowedFd<'_>) -> Result<Self, Errno> {
        let within = subfolder(ours, TRIED.as_bytes())?;
        // Those of programs that were killed stay, and are few.
        let mut number = 0;
        let name = loop {
            let name = number.to_string();
            match mkdirat(&within, &name, Mode::RWXU) {
                Err(Errno::EXIST) if number < limits::BENCHES => number += 1,
                Err(Errno::EXIST) | Ok(()) => break name,
                Err(errno) => return Err(errno),
            }
        };
        Ok(Self {
            folder: subfolder(within.as_fd(), name.as_bytes())?,
            within,
            name,
            tried: Cell::new(0),
        })
    }

    fn is_one(&self, one: &[u8], other: &[u8]) -> Result<bool, Errno> {
        let is_there = |folder: &OwnedFd| match statat(folder, other, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::IO) => Err(Errno::IO),
            Err(_) => Ok(false),
        };
        Ok(self.with(one, is_there)? == Some(true))
    }

    /// Whether something can have this name, and not another that the file system makes of it.
    fn takes(&self, name: &[u8]) -> Result<bool, Errno> {
        let listed = self.listed(name)?;
        let is_same = |listed: Vec<u8>| listed == name || composed(&listed) == composed(name);
        Ok(listed.is_some_and(is_same))
    }

    /// By which name something is listed that was given this one; none: it cannot have it.
    fn listed(&self, name: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
        let list = |folder: &OwnedFd| {
            for entry in Dir::read_from(folder)? {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if !matches!(name, b"." | b"..") {
                    return Ok(Some(name.to_vec()));
                }
            }
            Ok(None)
        };
        self.with(name, list).map(Option::flatten)
    }

    /// Asks while something has this name; none: nothing can. Each time in another folder, for the system remembers for a while what another spelling led to.
    fn with<T>(&self, name: &[u8], ask: impl Fn(&OwnedFd) -> Result<T, Errno>) -> Result<Option<T>, Errno> {
        let trial = self.tried.replace(self.tried.get() + 1).to_string();
        let folder = subfolder(self.folder.as_fd(), trial.as_bytes())?;
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let answer = match openat(&folder, name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(_) => {
                let answer = ask(&folder).map(Some);
                let _ = unlinkat(&folder, name, AtFlags::empty());
                answer
            }
            Err(
                errno @ (Errno::NOSPC | Errno::DQUOT | Errno::IO | Errno::ROFS | Errno::NOMEM | Errno::MFILE),
            ) => Err(errno),
            Err(_) => Ok(None),
        };
        let _ = unlinkat(&self.folder, &trial, AtFlags::REMOVEDIR);
        answer
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = unlinkat(&self.within, &self.name, AtFlags::REMOVEDIR);
    }
}
