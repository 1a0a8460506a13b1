//! Files of memories: private, whole or not there.

use std::{
    collections::BTreeSet,
    os::unix::fs::{PermissionsExt, symlink},
};

use gobag_format::{crypto::Key, ids::BundleId, memory::MemoryKeys};

use super::*;

fn memory(folder: &Path) -> HostMemory {
    HostMemory {
        folder: Some(folder.join("state/gobag/memory")),
    }
}

fn name() -> MemoryName {
    MemoryKeys::new(BundleId([1; 16]), &Key::from_bytes([2; 32])).name()
}

#[test]
fn what_is_stored_is_private_replaced_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    assert_eq!(memory.load(&name()).unwrap(), None);
    assert_eq!(memory.survey(), None);
    for bytes in [[1; MEMORY_LEN], [2; MEMORY_LEN]] {
        memory.store(&name(), &bytes).unwrap();
        assert_eq!(memory.load(&name()).unwrap().unwrap(), bytes);
    }
    let place = memory.folder.clone().unwrap();
    assert_eq!(memory.survey(), Some((place.clone(), 1)));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&place), mode(&place.join(name().to_string()))),
        (0o700, 0o600)
    );
    // No name of a stick, and nothing left of the writing.
    let names: Vec<_> = fs::read_dir(&place)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, [name().to_string().as_str()]);
    memory.forget(&name()).unwrap();
    memory.forget(&name()).unwrap();
    assert_eq!(memory.survey(), None);
}

/// What is left of programs that were killed while they wrote, and what others may be writing now: another stick's, and this
/// one's, by a program that has the same number in another name space.
#[test]
fn what_killed_writes_left_goes_and_what_others_write_stays() {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    let place = memory.folder.clone().unwrap();
    let other = MemoryKeys::new(BundleId([3; 16]), &Key::from_bytes([4; 32])).name();
    memory.store(&other, &[1; MEMORY_LEN]).unwrap();
    let hour = Duration::from_secs(3600);
    let pid = std::process::id();
    let written = [
        (format!(".new-{}-1", name()), hour),
        (format!(".new-{}-2", name()), Duration::ZERO),
        (format!(".new-{other}-1"), hour),
        (format!(".new-{other}-{pid}"), Duration::ZERO),
    ];
    let all_but = |gone: &[usize]| {
        let numbered = written.iter().enumerate();
        let left = numbered.filter(|(number, _)| !gone.contains(number));
        left.map(|(_, (name, _))| name.clone()).collect::<BTreeSet<_>>()
    };
    let hidden = || {
        let entries = fs::read_dir(&place).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with('.'))
            .collect::<BTreeSet<_>>()
    };
    for (name, age) in &written {
        let file = File::create_new(place.join(name)).unwrap();
        let now = file.metadata().unwrap().modified().unwrap();
        file.set_modified(now - *age).unwrap();
    }
    memory.store(&name(), &[2; MEMORY_LEN]).unwrap();
    assert_eq!(hidden(), all_but(&[0]));
    memory.forget(&other).unwrap();
    assert_eq!(hidden(), all_but(&[0, 2]));
    assert_eq!(memory.survey(), Some((place.clone(), 1)));
}

#[test]
fn a_folder_of_others_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    let place = memory.folder.clone().unwrap();
    fs::create_dir_all(&place).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(memory.store(&name(), &[0; MEMORY_LEN]).is_err());
    fs::remove_dir(&place).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o700)).unwrap();
    symlink(&elsewhere, &place).unwrap();
    assert!(memory.store(&name(), &[0; MEMORY_LEN]).is_err());
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_long_file_is_read_to_one_byte_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    memory.store(&name(), &vec![0; 1 << 20]).unwrap();
    assert_eq!(memory.load(&name()).unwrap().unwrap().len(), MEMORY_LEN + 1);
}

#[test]
fn without_a_folder_nothing_is_remembered_and_that_is_said() {
    let memory = HostMemory { folder: None };
    assert_eq!(memory.load(&name()).unwrap(), None);
    assert!(memory.store(&name(), &[0; MEMORY_LEN]).is_err());
    memory.forget(&name()).unwrap();
}
