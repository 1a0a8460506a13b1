//! Somebody is at work in the right folder at any moment of a pass, between each two requests to the file system: what they do is not lost, and what comes is not lost.

use std::collections::BTreeMap;

use fuser::Errno;
use gobag_format::Silent;
use gobag_pair::Pair;

use crate::{
    disk::Disk,
    lab::Lab,
    memory_fs::{Nodes, What, entries, put},
    sim::{kept, seen},
    trouble::Meanwhile,
};

/// What they do with the file that something is done with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Deed {
    WriteInIt,
    SaveByRename,
    Delete,
    FolderThere,
    LinkThere,
    MoveAway,
}

const THEIRS: &str = "what they wrote";

impl Deed {
    fn act(self, nodes: &mut Nodes, name: &str) -> Result<(), Errno> {
        let (_, within) = entries(nodes, 1)?.get("d").cloned().ok_or(Errno::ENOENT)?;
        let there = entries(nodes, within)?.get(name).cloned();
        let text = || What::File(THEIRS.as_bytes().to_vec());
        match self {
            Self::WriteInIt => {
                let Some((_, ino)) = there else {
                    return Err(Errno::ENOENT);
                };
                let node = nodes.get_mut(&ino).ok_or(Errno::ENOENT)?;
                node.what = text();
                (node.mtime, node.ctime) = (std::time::SystemTime::now(), std::time::SystemTime::now());
            }
            Self::SaveByRename => {
                put(nodes, within, name, name, text())?;
            }
            Self::Delete => drop(entries(nodes, within)?.remove(name)),
            Self::FolderThere => {
                let folder = put(nodes, within, name, name, What::Folder(BTreeMap::new()))?;
                put(nodes, folder, "in", "in", text())?;
            }
            Self::LinkThere => {
                let link = What::Link(THEIRS.as_bytes().to_vec());
                put(nodes, within, name, name, link)?;
            }
            Self::MoveAway => {
                if let Some(there) = entries(nodes, within)?.remove(name) {
                    entries(nodes, within)?.insert("away".to_owned(), ("away".to_owned(), there.1));
                }
            }
        }
        Ok(())
    }
}

/// One pass of `change` on the left side, with a deed done to `name` on the right after so many requests; whether there were so many.
fn race(change: fn(&Lab), name: &'static str, deed: Deed, after: u64) -> Option<bool> {
    let mut lab = Lab::new();
    let disk = Disk::mount(&lab.at("right"))?;
    lab.pair().unwrap();
    lab.write("left", "d/f", "as it was");
    lab.write("left", "b", "another");
    lab.pass_with(|_| {}).unwrap();
    change(&lab);
    let ours: Vec<String> = seen(&lab.at("left")).into_keys().collect();
    let options = lab.options();
    let mut pair = Pair::open(&lab.at("left"), &lab.at("right")).unwrap();
    let (has_acted, acts) = std::sync::mpsc::channel();
    let begins = || {
        let has_acted = has_acted.clone();
        let act = move |nodes: &mut Nodes| has_acted.send(deed.act(nodes, name).is_ok()).unwrap();
        disk.meanwhile(after, Box::new(act));
    };
    let _ = pair.pass(&options, &Meanwhile(Box::new(begins)));
    drop(pair);
    let happened = disk.rest();
    let acted = acts.try_recv().unwrap_or(false);
    let told = format!("{deed:?} of {name} after {after}");
    let found = |lab: &Lab| {
        let mut found = seen(&lab.at("left"));
        for side in ["left", "right"] {
            found.extend(seen(&lab.at(side)));
            found.extend(kept(&lab.at(side), true));
        }
        found
    };
    let all = found(&lab);
    assert!(ours.iter().all(|text| all.contains_key(text)), "{told}: {all:?}");
    for _ in 0..2 {
        let options = lab.options();
        let mut pair = Pair::open(&lab.at("left"), &lab.at("right")).unwrap();
        let report = pair.pass(&options, &Silent).unwrap();
        assert!(report.is_in_step(), "{told}: {report:?}");
    }
    assert_eq!(lab.tree("left"), lab.tree("right"), "{told}");
    let all = found(&lab);
    assert!(ours.iter().all(|text| all.contains_key(text)), "{told}: {all:?}");
    let wrote = acted && !matches!(deed, Deed::Delete | Deed::MoveAway);
    let shown = lab.tree("left");
    assert!(!wrote || shown.contains(THEIRS), "{told}: {shown}");
    Some(happened)
}

fn at_every_step(change: fn(&Lab), names: &[&'static str], deeds: &[Deed]) {
    // In the usual run some of the steps, for each deed from another on.
    let steps = if std::env::var_os("GOBAG_LONG").is_some() {
        1
    } else {
        13
    };
    let mut races = 0;
    for name in names {
        for (first, deed) in deeds.iter().enumerate() {
            let mut after = first as u64 % steps;
            loop {
                match race(change, name, *deed, after) {
                    None => return,
                    Some(false) => break,
                    Some(true) => races += 1,
                }
                after += steps;
            }
        }
    }
    println!("{races} races");
    assert!(races >= names.len() * deeds.len(), "{races}");
}

const ALL: [Deed; 6] = [
    Deed::WriteInIt,
    Deed::SaveByRename,
    Deed::Delete,
    Deed::FolderThere,
    Deed::LinkThere,
    Deed::MoveAway,
];

#[test]
fn where_a_file_is_replaced() {
    at_every_step(|lab| lab.write("left", "d/f", "what comes"), &["f"], &ALL);
}

#[test]
fn where_a_new_file_comes() {
    at_every_step(|lab| lab.write("left", "d/g", "what comes"), &["g"], &ALL[1..5]);
}

#[test]
fn where_a_file_is_removed() {
    at_every_step(|lab| lab.remove("left", "d/f"), &["f"], &ALL);
}

#[test]
fn where_a_file_is_moved() {
    let change = |lab: &Lab| std::fs::rename(lab.at("left/d/f"), lab.at("left/d/g")).unwrap();
    at_every_step(change, &["f", "g"], &ALL[..5]);
}
