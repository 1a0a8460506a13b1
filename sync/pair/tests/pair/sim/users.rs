//! What people do in a folder, and what is in one.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    time::{Duration, SystemTime},
};

use crate::{dice::Dice, lab::list};

/// What somebody wrote, and how often it is there: the text of a file, or where a link leads.
pub(crate) type Contents = BTreeMap<String, usize>;

/// What people see in a folder.
pub(crate) fn seen(folder: &Path) -> Contents {
    let mut found = Contents::new();
    for what in list(folder).into_values() {
        let text = what.trim_start_matches(['=', '*']);
        if text.len() > 1 {
            *found.entry(text.to_owned()).or_default() += 1;
        }
    }
    found
}

/// What of theirs is kept in our folder; also what is being made, if `staged`.
pub(crate) fn kept(folder: &Path, staged: bool) -> Contents {
    let ours = folder.join(".gobag-sync");
    let mut found = seen(&ours.join("versions"));
    if staged {
        found.extend(seen(&ours.join("stage")));
    }
    found
}

/// Of what was there before so much is not any more.
pub(crate) fn gone(before: &Contents, after: &Contents) -> Vec<String> {
    let less = |(text, count): &(&String, &usize)| after.get(*text).is_none_or(|left| left < count);
    before.iter().filter(less).map(|(text, _)| text.clone()).collect()
}

/// Somebody does something; `text` was never written before.
pub(crate) fn act(folder: &Path, dice: &mut Dice, text: &str) {
    let name = |dice: &mut Dice| match dice.below(5) {
        0 => format!("{}", dice.below(4)),
        1 => format!("d{}", dice.below(3)),
        2 => format!("d{}/{}", dice.below(3), dice.below(3)),
        // By its bytes before what is in `d0`.
        3 => format!(
            "d{}{}{}",
            dice.below(2),
            [" b/", ".b/", " "][dice.below(3) as usize],
            dice.below(2)
        ),
        _ => format!("d{}/e/{}", dice.below(2), dice.below(3)),
    };
    let (one, other) = (folder.join(name(dice)), folder.join(name(dice)));
    // At times that the one who repeats it has again; now and then years ahead.
    let year = if dice.one_in(5) {
        2100
    } else {
        1980 + dice.below(40)
    };
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs((year - 1970) * 31_557_600 + dice.below(9999));
    let write = |path: &Path, text: &str| {
        let _ = fs::create_dir_all(path.parent().unwrap());
        if fs::write(path, text).is_ok() {
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(time).unwrap();
        }
    };
    match dice.below(16) {
        0..=3 => write(&one, text),
        // As an editor does that saves by a rename.
        4 => {
            let beside = folder.join("saving");
            write(&beside, text);
            if fs::rename(&beside, &one).is_err() {
                let _ = fs::remove_file(&beside);
            }
        }
        5 | 6 => drop(fs::remove_file(&one)),
        7 if !other.exists() => drop(fs::rename(&one, &other)),
        8 => drop(fs::rename(&one, &other)),
        9 if dice.one_in(2) => drop(fs::remove_dir_all(&one)),
        10 if !other.exists() => {
            if let Ok(text) = fs::read_to_string(&one) {
                write(&other, &text);
            }
        }
        11 => {
            let _ = fs::remove_file(&one);
            // No longer than any file system takes.
            let _ = symlink(&text[..text.len().min(60)], &one);
        }
        12 => drop(fs::create_dir_all(&one)),
        13 if one.is_file() && !one.is_symlink() => {
            let mode = if dice.one_in(2) { 0o755 } else { 0o644 };
            fs::set_permissions(&one, Permissions::from_mode(mode)).unwrap();
        }
        // A file in the place of a folder, and a folder in the place of a file.
        14 => {
            let _ = fs::remove_dir_all(&one);
            write(&one, text);
        }
        15 => {
            let _ = fs::remove_file(&one);
            write(&one.join("in"), text);
        }
        _ => {}
    }
}
