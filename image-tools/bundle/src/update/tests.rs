//! Updates of small sticks in a folder. Cuts at every operation are in `tests/it/update`.

#![expect(clippy::disallowed_methods, reason = "the tests damage files on purpose")]

use std::{fs, os::unix::fs::FileExt as _, path::PathBuf, sync::Arc};

use gobag_format::{
    Silent,
    header::{VolumeRecord, VolumeRole},
    ids::VolumeId,
    keyslot::KdfCost,
};
use tempfile::TempDir;

use super::*;
use crate::{
    Ambient, Secret, Session, SessionOptions, VolumePurpose,
    build::VolumeSource,
    medium::BUNDLE_FOLDER,
    provision::{Provision, ProvisionImage, image_record, provision},
    repository::{
        Access,
        testing::{Office, StopAfter, disk},
    },
    stick::{StickOptions, write_sticks},
    verify::verify,
};

const HOME: &[u8] = b"what the user saved";
const CHANGE: &[u8] = b"a change to the system";

/// An office with two images, and a stick with the first version of both.
struct Scene {
    office: Office,
    stick: TempDir,
    identity: age::x25519::Identity,
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            office: Office::new(),
            stick: TempDir::new().unwrap(),
            identity: age::x25519::Identity::generate(),
        };
        scene.release("office", 1, 60);
        scene.release("lab", 900, 20);
        scene.provision(&["office", "lab"]);
        let session = scene.session("office");
        write(&session, VolumePurpose::Home, 4096, HOME);
        write(&session, VolumePurpose::System, 70_000, CHANGE);
        drop(session);
        write(&scene.session("lab"), VolumePurpose::System, 70_000, CHANGE);
        scene
    }

    /// A new version: a disk whose first half is that of every other.
    fn release(&self, name: &str, seed: u64, chunks: usize) -> Vec<u8> {
        let mut content = disk(5, chunks / 2);
        content.truncate(chunks / 2 * 65_536);
        content.extend(disk(seed, chunks / 2));
        let source: VolumeSource = self.office.source("system", &content);
        self.office.build(name, &[source]);
        content
    }

    fn provision(&self, images: &[&str]) {
        let repository = self.office.repository(Access::Shared);
        let (secrets, recipient) = (&self.office.secrets, self.identity.to_public());
        let made = |name: &&str| {
            let image = self.office.image(name, 1);
            let targets = [self.stick.path().to_owned()];
            let written = write_sticks(&repository, &image, &targets, &StickOptions::default(), &Silent);
            assert!(written.unwrap()[0].result.is_ok());
            let manifest = &image.manifest;
            ProvisionImage {
                record: image_record(manifest.image, name, 1, image.manifest_digest, image.key.clone()),
                system: manifest
                    .base()
                    .map(|(number, volume)| (number, volume.size_bytes)),
            }
        };
        let spec = Provision {
            org: secrets.org,
            org_name: "Example".into(),
            publisher: secrets.signing_key().verifying_key(),
            user: "alice".into(),
            images: images.iter().map(made).collect(),
            home_bytes: 1 << 20,
            system_space_bytes: 1 << 20,
            initial_home: None,
            passphrase: b"correct horse",
            cost: KdfCost {
                memory_kib: 64 << 10,
                passes: 1,
                lanes: 2,
            },
            segment_len: 128 << 10,
            escrow: vec![&recipient],
        };
        provision(self.stick.path(), &spec, false, &Ambient::system(), &Silent).unwrap();
    }

    fn open(&self) -> Bundle {
        let secret = Secret::Escrow(&self.identity);
        Bundle::open(self.stick.path(), &secret, true, Ambient::system()).unwrap()
    }

    fn session(&self, image: &str) -> Session {
        let options = SessionOptions {
            image: Some(image.to_owned()),
            ..SessionOptions::default()
        };
        Session::open(Arc::new(self.open()), &options).unwrap()
    }

    fn plan(&self, images: &[(&str, u64)]) -> Result<UpdatePlan, UpdateError> {
        let images: Vec<_> = images
            .iter()
            .map(|(name, version)| self.office.image(name, *version))
            .collect();
        plan(&self.open(), &self.office.repository(Access::Shared), &images)
    }

    fn update(&self, images: &[(&str, u64)], monitor: &dyn Monitor) -> Result<UpdateReport, UpdateError> {
        let plan = self.plan(images)?;
        update(&mut self.open(), &plan, monitor)
    }

    fn bundle_folder(&self) -> PathBuf {
        self.stick.path().join(BUNDLE_FOLDER)
    }

    fn files(&self) -> Vec<PathBuf> {
        let folders = ["IMAGES", "PACKS"].map(|name| self.bundle_folder().join(name));
        let paths = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
        let mut paths: Vec<_> = paths.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    /// The stick as IT expects it: sound, these versions, these systems, the home that was, nothing else.
    fn expect(&self, office: (u64, &[u8]), lab_version: u64) {
        let bundle = self.open();
        let report = verify(&bundle, &Silent).unwrap();
        assert_eq!(report.findings, []);
        let versions: Vec<_> = bundle.record().images.iter().map(|image| image.version).collect();
        assert_eq!(versions, [office.0, lab_version]);
        assert_eq!(unused::find(&bundle, bundle.record(), &[]).unwrap(), []);
        drop(bundle);
        let session = self.session("office");
        assert!(read(&session, VolumePurpose::System) == office.1, "system");
        let mut home = vec![0; 1 << 20];
        home[4096..4096 + HOME.len()].copy_from_slice(HOME);
        assert!(read(&session, VolumePurpose::Home) == home, "home");
    }
}

fn volume_of(session: &Session, purpose: VolumePurpose) -> &dyn crate::Volume {
    let found = session.volumes().iter().find(|volume| volume.purpose == purpose);
    &*found.unwrap().volume
}

fn write(session: &Session, purpose: VolumePurpose, offset: u64, data: &[u8]) {
    let volume = volume_of(session, purpose);
    volume.write_at(offset, data).unwrap();
    volume.flush().unwrap();
}

fn read(session: &Session, purpose: VolumePurpose) -> Vec<u8> {
    let volume = volume_of(session, purpose);
    let mut content = vec![0xee; volume.size_bytes() as usize];
    volume.read_at(0, &mut content).unwrap();
    content
}

#[test]
fn the_new_base_starts_afresh_and_home_and_the_other_image_stay() {
    let scene = Scene::new();
    let second = scene.release("office", 2, 80);
    let before = scene.files();
    let plan = scene.plan(&[("office", 2)]).unwrap();
    let summary = plan.summary().clone();
    assert_eq!(summary.given_up_bytes, 4096);
    assert!(
        summary.shared_bytes > 0 && summary.missing_bytes > 0,
        "{summary:?}"
    );
    assert_eq!(scene.files(), before, "planning writes nothing");
    let report = update(&mut scene.open(), &plan, &Silent).unwrap();
    assert_eq!(
        (report.written_bytes, report.left_files),
        (summary.missing_bytes, 0)
    );
    assert!(report.removed_files >= 2, "{report:?}");
    scene.expect((2, &second), 1);
    let lab = read(&scene.session("lab"), VolumePurpose::System);
    assert_eq!(
        &lab[70_000..70_000 + CHANGE.len()],
        CHANGE,
        "the other image keeps its changes"
    );
    // Room of the volume that is gone is there again, also after the log was closed.
    let mut session = scene.session("office");
    assert_eq!(
        session.status().used_bytes,
        2 * 4096,
        "home's block and the lab's"
    );
    session.close().unwrap();
    drop(session);
    let again = scene.update(&[("office", 2), ("lab", 1)], &Silent).unwrap();
    assert_eq!(again, UpdateReport::default(), "there is nothing left to do");
}

#[test]
fn two_images_are_switched_by_one_record() {
    let scene = Scene::new();
    let (second, _) = (scene.release("office", 2, 80), scene.release("lab", 901, 30));
    let generation = scene.open().unlocked.generation();
    scene.update(&[("office", 2), ("lab", 2)], &Silent).unwrap();
    assert_eq!(scene.open().unlocked.generation(), generation + 1);
    scene.expect((2, &second), 2);
}

/// The number that one image's system leaves is still the log's when the other takes a new one.
#[test]
fn two_images_never_take_a_number_that_is_in_force() {
    for (office_chunks, lab_chunks) in [(80, 30), (60, 60)] {
        let scene = Scene::new();
        scene.release("office", 2, 60);
        scene.update(&[("office", 2)], &Silent).unwrap();
        write(&scene.session("office"), VolumePurpose::System, 70_000, CHANGE);
        let third = scene.release("office", 3, office_chunks);
        let lab = scene.release("lab", 901, lab_chunks);
        let summary = scene
            .plan(&[("office", 3), ("lab", 2)])
            .unwrap()
            .summary()
            .clone();
        assert_eq!(summary.given_up_bytes, 2 * 4096);
        scene.update(&[("office", 3), ("lab", 2)], &Silent).unwrap();
        scene.expect((3, &third), 2);
        assert!(read(&scene.session("lab"), VolumePurpose::System) == lab);
    }
}

#[test]
fn what_must_not_be_is_refused_before_anything_is_written() {
    let scene = Scene::new();
    scene.release("office", 2, 80);
    scene.release("cellar", 3, 8);
    scene.update(&[("office", 2)], &Silent).unwrap();
    let before = scene.files();
    let refusal = |images: &[(&str, u64)]| scene.plan(images).err().map(|error| error.code());
    assert_eq!(refusal(&[("office", 1)]), Some("update.older"));
    assert_eq!(refusal(&[("cellar", 1)]), Some("update.no-such-image"));
    // A second office with a repository of its own, and the same numbers.
    let other = Office::new();
    other.build("office", &[other.source("system", &disk(3, 8))]);
    let image = [other.image("office", 1)];
    let refused = plan(&scene.open(), &other.repository(Access::Shared), &image).err();
    assert_eq!(refused.map(|error| error.code()), Some("update.other-org"));
    // Checkpoints of this stick were planned for a system of some MiB.
    let huge = scene.office.source("system", &[1; 4096]);
    fs::File::options()
        .write(true)
        .open(&huge.path)
        .unwrap()
        .set_len(64 << 30)
        .unwrap();
    scene.office.build(
        "office",
        &[VolumeSource {
            size_bytes: 64 << 30,
            ..huge
        }],
    );
    assert_eq!(refusal(&[("office", 3)]), Some("update.too-large"));
    assert_eq!(scene.files(), before);
    let stick = scene.open();
    let busy = Bundle::open(
        scene.stick.path(),
        &Secret::Escrow(&scene.identity),
        true,
        Ambient::system(),
    );
    assert_eq!(busy.err().map(|error| error.code()), Some("bundle.busy"));
    drop(stick);
}

#[test]
fn a_stopped_update_leaves_the_old_version_and_goes_on_with_what_is_there() {
    let scene = Scene::new();
    let first = read(&scene.session("office"), VolumePurpose::System);
    let second = scene.release("office", 2, 80);
    let all = scene.plan(&[("office", 2)]).unwrap().work_bytes();
    for stop in [1, all / 8, all / 4, all / 2] {
        let stopped = scene.update(&[("office", 2)], &StopAfter::new(stop)).unwrap_err();
        assert_eq!(stopped.code(), "update.cancelled");
        assert!(
            read(&scene.session("office"), VolumePurpose::System) == first,
            "stopped after {stop}"
        );
    }
    let (all, rest) = (all, scene.plan(&[("office", 2)]).unwrap());
    assert!(rest.summary().missing_bytes < all / 8, "{:?}", rest.summary());
    // Abandoned: a version came after it.
    let third = scene.release("office", 3, 80);
    let report = scene.update(&[("office", 3)], &Silent).unwrap();
    assert!(report.removed_files >= 4, "{report:?}");
    scene.expect((3, &third), 1);
    drop(second);
}

#[test]
fn a_number_that_was_used_before_brings_nothing_back() {
    let scene = Scene::new();
    let second = scene.release("office", 2, 80);
    // As if 254 updates had passed without a session: only the log still knows of volume 1.
    let mut bundle = scene.open();
    let mut record = bundle.record().clone();
    assert_eq!(record.volumes[1].id, VolumeId(1));
    record.volumes[1].id = VolumeId(255);
    record.volumes[2].id = VolumeId(7);
    replace(&mut bundle, Some(&record)).unwrap();
    drop(bundle);
    scene.update(&[("office", 2)], &Silent).unwrap();
    assert_eq!(scene.open().record().volumes[1].id, VolumeId(1), "0 is home's");
    scene.expect((2, &second), 1);
    // Also where all checkpoints but the oldest are lost.
    for area in ["C0", "C1", "C2"] {
        let place = scene.bundle_folder().join(format!("CKPT/{area}.GBC"));
        let held = fs::read(&place).unwrap();
        fs::File::options()
            .write(true)
            .open(&place)
            .unwrap()
            .write_all_at(&[0; 4096], 0)
            .unwrap();
        let session = scene.session("office");
        assert!(read(&session, VolumePurpose::System) == second, "without {area}");
        drop(session);
        fs::write(&place, held).unwrap();
    }
}

#[test]
fn shared_packs_that_are_damaged_are_mended_and_damaged_sources_change_nothing() {
    let scene = Scene::new();
    let second = scene.release("office", 2, 80);
    let shared: Vec<_> = {
        let plan = scene.plan(&[("office", 2)]).unwrap();
        let there = plan
            .items
            .iter()
            .map(|item| scene.stick.path().join(&item.relative));
        there
            .filter(|path| path.exists() && path.extension().unwrap() == "GBP")
            .collect()
    };
    for path in &shared {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.write_all_at(&[0xaa; 100], 300_000).unwrap();
    }
    let source = scene.office.pack_files().into_iter().find(|path| {
        let name = shared[0].file_stem().unwrap().to_str().unwrap();
        path.file_stem().unwrap().to_str() == Some(name)
    });
    let (source, before) = (source.unwrap(), fs::read(&shared[0]).unwrap());
    let good = fs::read(&source).unwrap();
    let mut bad = good.clone();
    bad[5000] ^= 1;
    fs::write(&source, bad).unwrap();
    let refused = scene.update(&[("office", 2)], &Silent).unwrap_err();
    assert_eq!(refused.code(), "update.source-damaged");
    assert_eq!(
        fs::read(&shared[0]).unwrap(),
        before,
        "nothing was overwritten with wrong bytes"
    );
    fs::write(&source, &good).unwrap();
    scene.update(&[("office", 2)], &Silent).unwrap();
    assert_eq!(fs::read(&shared[0]).unwrap(), good);
    scene.expect((2, &second), 1);
}

#[test]
fn an_image_may_gain_or_lose_its_system_and_fields_of_later_versions_stay() {
    let scene = Scene::new();
    scene.release("office", 2, 80);
    let image = scene.office.image("office", 2);
    let mut record = scene.open().record().clone();
    let later = serde_json::json!({"colour": "green"})
        .as_object()
        .unwrap()
        .clone();
    record.images[0].later = later.clone();
    record.volumes[1].later = later.clone();
    let next = switch::switched(&record, &record, &image);
    assert_eq!((&next.images[0].later, &next.volumes[1].later), (&later, &later));
    assert_eq!(next.volumes[0], record.volumes[0], "home");
    assert_eq!(next.volumes[2], record.volumes[2], "the other image");
    assert_eq!(next.volumes[1].id, VolumeId(3), "2 is the other image's");
    record.volumes.remove(1);
    let gained = switch::switched(&record, &record, &image);
    let is_ours = |volume: &VolumeRecord| matches!(volume.role, VolumeRole::System { image: of, .. } if of == image.manifest.image);
    assert!(is_ours(gained.volumes.last().unwrap()));
}

#[test]
fn a_system_may_grow_by_half() {
    let office = Office::new();
    let release = |size_bytes: u64| {
        let source = office.source("system", &[1; 4096]);
        fs::File::options()
            .write(true)
            .open(&source.path)
            .unwrap()
            .set_len(size_bytes)
            .unwrap();
        office.build("office", &[VolumeSource { size_bytes, ..source }]);
    };
    // Large enough that the least length of an area is not what counts.
    [6 << 30, 9 << 30, 10 << 30].into_iter().for_each(release);
    let scene = Scene {
        office,
        stick: TempDir::new().unwrap(),
        identity: age::x25519::Identity::generate(),
    };
    scene.provision(&["office"]);
    assert!(scene.plan(&[("office", 2)]).is_ok());
    let refused = scene.plan(&[("office", 3)]).err();
    assert_eq!(refused.map(|error| error.code()), Some("update.too-large"));
}

/// Somebody else may have made the stick: it must not lead IT's program to other files.
#[test]
fn links_on_a_stick_are_refused_and_what_they_name_stays() {
    let elsewhere = TempDir::new().unwrap();
    let precious = elsewhere.path().join("1.GBP");
    let link = |place: &std::path::Path, to: &std::path::Path| {
        let aside = place.with_extension("aside");
        fs::rename(place, &aside).unwrap();
        std::os::unix::fs::symlink(to, place).unwrap();
    };
    for what in ["pack", "packs", "log", "header"] {
        let scene = Scene::new();
        scene.release("office", 2, 80);
        fs::write(&precious, "IT's own").unwrap();
        let folder = scene.bundle_folder();
        let packs = || {
            scene
                .files()
                .into_iter()
                .filter(|path| path.extension().unwrap() == "GBP")
        };
        match what {
            "pack" => packs().for_each(|pack| link(&pack, &precious)),
            "packs" => link(&folder.join("PACKS"), elsewhere.path()),
            "log" => link(&folder.join("CKPT/C1.GBC"), &precious),
            _ => link(&folder.join("A/HEADER.GBH"), &precious),
        }
        let secret = Secret::Escrow(&scene.identity);
        let refused = Bundle::open(scene.stick.path(), &secret, true, Ambient::system())
            .map_err(|error| error.code())
            .and_then(|mut bundle| {
                let images = [scene.office.image("office", 2)];
                let plan = plan(&bundle, &scene.office.repository(Access::Shared), &images);
                plan.and_then(|plan| update(&mut bundle, &plan, &Silent))
                    .map_err(|error| error.code())
            });
        assert!(refused.is_err(), "{what}");
        assert_eq!(fs::read(&precious).unwrap(), b"IT's own", "{what}: {refused:?}");
    }
}

#[test]
fn a_home_that_no_guest_ever_mounted_is_told() {
    let scene = Scene::new();
    scene.release("office", 2, 80);
    let is_unused = |superblock: &[u8], version| {
        write(&scene.session("office"), VolumePurpose::Home, 1024, superblock);
        let plan = scene.plan(&[("office", version)]).unwrap();
        plan.summary().home_unused
    };
    let mut superblock = [0; 64];
    assert!(
        !is_unused(&superblock, 2),
        "no file system that we know, but written to"
    );
    superblock[0x38..0x3a].copy_from_slice(&0xef53_u16.to_le_bytes());
    assert!(is_unused(&superblock, 2), "as it was provisioned");
    superblock[0x34] = 1;
    assert!(!is_unused(&superblock, 2), "mounted once");
    superblock[0x34] = 0;
    superblock[0x2c] = 1;
    assert!(!is_unused(&superblock, 2), "mounted, then checked");

    let bundle = scene.open();
    let store = open_store(&bundle, StoreMode::ReadOnly, &SessionOptions::default()).unwrap();
    let mut record = bundle.record().clone();
    record
        .volumes
        .retain(|volume| !matches!(volume.role, VolumeRole::Home));
    assert!(home::is_unused(&Arc::new(store), &record), "there is none");
    drop(bundle);

    // Where nothing is given up, nobody's files are.
    scene.update(&[("office", 2)], &Silent).unwrap();
    scene.release("office", 3, 80);
    assert!(!is_unused(&[0; 64], 3));
    superblock[0x2c] = 0;
    assert!(!is_unused(&superblock, 3));
}
