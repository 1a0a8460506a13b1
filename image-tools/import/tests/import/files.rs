//! Container images and root file systems: as tar streams against GNU tar, and as ext4 volumes looked into with
//! `debugfs`.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt, symlink},
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::common::{have, is_root, options, program, run, write};
use gobag_format::Silent;
use gobag_import::{Boot, ImportOptions, SourceKind, detect, export_tar, open};
use rustix::fs::{XattrFlags, setxattr};
use serde_json::json;
use sha2::{Digest, Sha256};

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What can be seen of a folder: kind, mode, link target or content, and which names are one file.
fn picture(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut seen = BTreeMap::new();
    let mut inodes: BTreeMap<u64, usize> = BTreeMap::new();
    let mut pending = vec![PathBuf::new()];
    let mut paths = Vec::new();
    while let Some(below) = pending.pop() {
        let full = folder.join(&below);
        if full.symlink_metadata().unwrap().is_dir() {
            pending.extend(
                fs::read_dir(&full)
                    .unwrap()
                    .map(|entry| below.join(entry.unwrap().file_name())),
            );
        }
        paths.push(below);
    }
    paths.sort();
    for below in paths {
        let full = folder.join(&below);
        let found = full.symlink_metadata().unwrap();
        let what = if found.is_symlink() {
            format!("-> {}", fs::read_link(&full).unwrap().display())
        } else if found.is_dir() {
            format!("folder {:o}", found.mode())
        } else if found.file_type().is_fifo() {
            "fifo".to_owned()
        } else {
            let group = match found.nlink() {
                1 => 0,
                _ => {
                    let next = inodes.len() + 1;
                    *inodes.entry(found.ino()).or_insert(next)
                }
            };
            let content = hex(&fs::read(&full).unwrap());
            format!("file {:o} {} {group} {content}", found.mode(), found.mtime())
        };
        seen.insert(below, what);
    }
    seen
}

/// Layers as folders. A name that starts with `.wh.` is a whiteout.
fn layer_folders(folder: &Path) -> Vec<PathBuf> {
    let at = |name: &str| folder.join(name);
    write(at("0/etc/hosts"), "hosts");
    write(at("0/etc/deleted"), "x");
    write(at("0/bin/tool"), vec![7; 300_000]);
    fs::hard_link(at("0/bin/tool"), at("0/bin/tool-link")).unwrap();
    fs::hard_link(at("0/bin/tool"), at("0/bin/tool-third")).unwrap();
    write(at("0/cleared/old/deep"), "x");
    write(at("0/file-to-folder"), "x");
    write(at("0/folder-to-file/inside"), "x");
    symlink("etc/hosts", at("0/link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("0/fifo"), 0o600.into()).unwrap();

    write(at("1/etc/.wh.deleted"), "");
    write(at("1/bin/.wh.tool"), "");
    write(at("1/cleared/.wh..wh..opq"), "");
    write(at("1/cleared/new"), "new");
    write(at("1/file-to-folder/inside"), "inside");
    write(at("1/folder-to-file"), "file now");
    write(at("1/etc/hosts"), "new hosts");

    write(at("2/.wh.fifo"), "");
    write(at("2/cleared/.wh.new"), "");
    write(at("2/cleared/newest"), "newest");
    ["0", "1", "2"].map(at).to_vec()
}

/// The slow and simple way: unpack each layer with GNU tar over the result of removing what it whites out.
fn applied_by_hand(folder: &Path, layers: &[PathBuf]) -> PathBuf {
    let result = folder.join("by-hand");
    fs::create_dir(&result).unwrap();
    for layer in layers {
        let list = run(layer, "find", [".", "-name", ".wh.*"]).stdout;
        for name in list.split(|&byte| byte == b'\n').filter(|name| !name.is_empty()) {
            let path = Path::new(std::ffi::OsStr::from_bytes(name));
            let (parent, name) = (
                path.parent().unwrap(),
                path.file_name().unwrap().to_str().unwrap(),
            );
            match name {
                ".wh..wh..opq" => {
                    run(
                        &result,
                        "find",
                        [parent.to_str().unwrap(), "-mindepth", "1", "-delete"],
                    );
                }
                name => {
                    let gone = parent.join(name.strip_prefix(".wh.").unwrap());
                    run(&result, "rm", ["-r", gone.to_str().unwrap()]);
                }
            }
        }
        make_way(layer, &result, Path::new(""));
        let archive = folder.join("layer.tar");
        let (archive, layer) = (archive.to_str().unwrap(), layer.to_str().unwrap());
        run(
            folder,
            "tar",
            ["-C", layer, "--exclude=.wh.*", "-cf", archive, "."],
        );
        run(&result, "tar", ["-xpf", archive]);
    }
    result
}

/// Removes what GNU tar would write through or stumble over: whatever is no folder on both sides.
#[expect(clippy::disallowed_methods, reason = "the test removes its own files")]
fn make_way(layer: &Path, result: &Path, below: &Path) {
    for entry in fs::read_dir(layer.join(below)).unwrap() {
        let entry = entry.unwrap();
        let below = below.join(entry.file_name());
        let Ok(old) = result.join(&below).symlink_metadata() else {
            continue;
        };
        match (old.is_dir(), entry.file_type().unwrap().is_dir()) {
            (true, true) => make_way(layer, result, &below),
            (true, false) => fs::remove_dir_all(result.join(&below)).unwrap(),
            (false, _) => fs::remove_file(result.join(&below)).unwrap(),
        }
    }
}

fn pack(folder: &Path) -> Vec<u8> {
    run(folder, "tar", ["--sort=name", "-cf", "-", "."]).stdout
}

/// An OCI layout of layers.
fn layout(folder: &Path, layers: &[Vec<u8>]) -> PathBuf {
    let layout = folder.join("layout");
    let blob = |bytes: &[u8]| {
        write(layout.join("blobs/sha256").join(hex(bytes)), bytes);
        json!({ "digest": format!("sha256:{}", hex(bytes)), "size": bytes.len() })
    };
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| format!("sha256:{}", hex(layer)))
        .collect();
    let config = json!({
        "os": "linux", "architecture": "amd64",
        "config": { "Cmd": ["/bin/sh"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = blob(config.to_string().as_bytes());
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| {
            let mut descriptor = blob(&zstd::encode_all(layer.as_slice(), 1).unwrap());
            descriptor["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd".into();
            descriptor
        })
        .collect();
    let mut manifest = blob(
        json!({ "config": config, "layers": layers })
            .to_string()
            .as_bytes(),
    );
    manifest["mediaType"] = "application/vnd.oci.image.manifest.v1+json".into();
    write(
        layout.join("index.json"),
        json!({ "manifests": [manifest] }).to_string(),
    );
    write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#);
    layout
}

fn export(source: &Path, folder: &Path) -> PathBuf {
    let archive = folder.join("export.tar");
    let mut file = File::create_new(&archive).unwrap();
    export_tar(source, None, folder, &options(), &mut file, &Silent).unwrap();
    let unpacked = folder.join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    let archive = archive.to_str().unwrap();
    run(&unpacked, "tar", ["-xpf", archive, "--delay-directory-restore"]);
    unpacked
}

#[test]
fn layers_end_as_gnu_tar_and_whiteouts_by_hand_do() {
    let folder = tempfile::tempdir().unwrap();
    let layers = layer_folders(folder.path());
    let by_hand = applied_by_hand(folder.path(), &layers);
    let packed: Vec<_> = layers.iter().map(|layer| pack(layer)).collect();
    let layout = layout(folder.path(), &packed);
    assert_eq!(detect(&layout).unwrap(), SourceKind::OciLayout);
    let ours = picture(&export(&layout, folder.path()));
    let theirs = picture(&by_hand);
    assert_eq!(ours, theirs);
    assert!(
        ours[Path::new("bin/tool-link")].contains(" 1 "),
        "still two names of one file"
    );
    assert_eq!(ours.len(), 12, "{ours:#?}");
}

#[test]
fn packed_archives_and_folders_are_the_same_root_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let root = layer_folders(folder.path()).remove(0);
    let expected = picture(&root);
    run(&root, "tar", ["--sort=name", "-cf", "../root.tar", "."]);
    for (name, tool) in [
        ("root.tar", None),
        ("root.tar.gz", Some("gzip")),
        ("root.tar.zst", Some("zstd")),
        ("root.tar.xz", Some("xz")),
    ] {
        if let Some(tool) = tool {
            if !have(tool, program(tool)) {
                continue;
            }
            run(folder.path(), tool, ["-k", "root.tar"]);
        }
        let work = tempfile::tempdir_in(folder.path()).unwrap();
        let source = folder.path().join(name);
        assert_eq!(detect(&source).unwrap(), SourceKind::RootfsTar);
        assert_eq!(picture(&export(&source, work.path())), expected, "{name}");
    }
    let work = tempfile::tempdir_in(folder.path()).unwrap();
    write(root.join("usr/x"), "");
    assert_eq!(detect(&root).unwrap(), SourceKind::RootfsFolder);
    assert_eq!(picture(&export(&root, work.path())), picture(&root));
}

#[test]
fn the_same_layout_packed_again_is_an_archive() {
    let folder = tempfile::tempdir().unwrap();
    let layers = layer_folders(folder.path());
    let packed: Vec<_> = layers.iter().map(|layer| pack(layer)).collect();
    let layout = layout(folder.path(), &packed);
    let expected = picture(&export(&layout, folder.path()));
    run(&layout, "tar", ["-cf", "../image.tar", "."]);
    run(&layout, "tar", ["-czf", "../image.tar.gz", "."]);
    for name in ["image.tar", "image.tar.gz"] {
        let work = tempfile::tempdir_in(folder.path()).unwrap();
        let source = folder.path().join(name);
        assert_eq!(detect(&source).unwrap(), SourceKind::OciLayout);
        assert_eq!(picture(&export(&source, work.path())), expected, "{name}");
    }
}

/// A small root file system with everything that import looks for.
fn golden(folder: &Path) -> PathBuf {
    let at = |name: &str| folder.join("golden").join(name);
    let mut kernel = vec![0; 4096];
    kernel[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    write(at("boot/vmlinuz-6.1.0-9-amd64"), "old");
    write(at("boot/vmlinuz-6.1.0-18-amd64"), kernel);
    write(at("boot/initrd.img-6.1.0-18-amd64"), "the initrd");
    write(
        at("etc/fstab"),
        "UUID=old / xfs defaults 0 1\ntmpfs /tmp tmpfs nosuid 0 0\n",
    );
    write(at("usr/lib/os-release"), "PRETTY_NAME=\"Golden 1\"\n");
    symlink("../usr/lib/os-release", at("etc/os-release")).unwrap();
    write(
        at("usr/lib/systemd/systemd"),
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0",
    );
    write(at("home/anna/letter"), "dear");
    fs::hard_link(at("home/anna/letter"), at("etc/shared")).unwrap();
    fs::hard_link(at("home/anna/letter"), at("home/anna/copy")).unwrap();
    folder.join("golden")
}

/// What `debugfs` says to a request.
fn debugfs(volume: &Path, request: &str) -> String {
    let volume = volume.to_str().unwrap();
    let output = run(Path::new("/"), "debugfs", ["-R", request, volume]);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_golden_system_becomes_two_volumes_and_boots_directly() {
    if !have("fakeroot", is_root() || program("fakeroot")) || !have("debugfs", program("debugfs")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let golden = golden(folder.path());
    // A binary value: a newline in it has ended the record in more than one program.
    let labelled = golden.join("etc/labelled");
    write(&labelled, "");
    let set = setxattr(&labelled, "user.label", b"a\nb=\n", XattrFlags::empty());
    let imported = open(&golden, None, folder.path(), &options(), &Silent).unwrap();
    if set.is_ok() {
        let value = debugfs(&imported.system.path, "ea_get /etc/labelled user.label");
        assert!(value.contains("61 0a 62 3d 0a"), "{value}");
    }
    assert_eq!(imported.os_name.as_deref(), Some("Golden 1"));
    assert_eq!(imported.architecture, Some("amd64"));
    assert_eq!(imported.notes, [] as [&str; 0]);
    let system = &imported.system.path;
    let home = &imported.home_template.as_ref().unwrap().path;
    for volume in [system, home] {
        run(folder.path(), "e2fsck", ["-fn", volume.to_str().unwrap()]);
    }
    let Boot::DirectKernel {
        kernel,
        initrd,
        cmdline,
    } = &imported.boot
    else {
        panic!("{:?}", imported.boot);
    };
    assert!(fs::read(kernel).unwrap() == fs::read(golden.join("boot/vmlinuz-6.1.0-18-amd64")).unwrap());
    assert_eq!(fs::read(initrd.as_ref().unwrap()).unwrap(), b"the initrd");
    assert!(cmdline.starts_with("root=LABEL=gobag-system "), "{cmdline}");
    assert!(cmdline.ends_with(" gobag.home"), "{cmdline}");

    assert_eq!(
        debugfs(system, "cat /etc/fstab"),
        "# replaced by gobag: UUID=old / xfs defaults 0 1\n\
         tmpfs /tmp tmpfs nosuid 0 0\n\
         LABEL=gobag-system / ext4 defaults,errors=remount-ro 0 1\n\
         LABEL=gobag-home /home ext4 defaults,nofail,x-systemd.device-timeout=10min,x-systemd.wanted-by=local-fs.target,\
         x-systemd.required-by=systemd-user-sessions.service,x-systemd.before=systemd-user-sessions.service 0 2\n"
    );
    assert!(!debugfs(system, "ls -p /home").contains("anna"));
    assert_eq!(
        debugfs(system, "cat /etc/shared"),
        "dear",
        "a name on each volume: content on both"
    );
    assert_eq!(debugfs(home, "cat /anna/letter"), "dear");
    assert!(debugfs(home, "stat /anna/copy").contains("Links: 2"));
    assert!(debugfs(system, "stats -h").contains("gobag-system"));
    assert!(debugfs(home, "stats -h").contains("gobag-home"));
    assert_eq!(fs::metadata(system).unwrap().len(), 64 << 20);
}

#[test]
fn a_container_image_is_for_containers_only_and_says_so() {
    if !have("fakeroot", is_root() || program("fakeroot")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let layers = layer_folders(folder.path());
    let packed: Vec<_> = layers.iter().map(|layer| pack(layer)).collect();
    let layout = layout(folder.path(), &packed);
    let choices = ImportOptions {
        system_size_bytes: None,
        ..options()
    };
    let imported = open(&layout, None, folder.path(), &choices, &Silent).unwrap();
    assert_eq!(imported.boot, Boot::None);
    assert!(imported.notes[0].contains("no kernel"), "{:?}", imported.notes);
    assert_eq!(imported.container.unwrap().command, ["/bin/sh"]);
    assert_eq!(imported.home_template, None);
    assert_eq!(imported.system.size_bytes, (1 << 30) + (64 << 20), "room to grow");
    let taken = fs::metadata(&imported.system.path).unwrap().blocks() * 512;
    assert!(taken < 128 << 20, "{taken} bytes are not sparse");
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    if !have("fakeroot", is_root() || program("fakeroot")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let golden = golden(folder.path());
    let bytes = || {
        let imported = open(&golden, None, folder.path(), &options(), &Silent).unwrap();
        let system = imported.system.path.to_str().unwrap();
        run(folder.path(), "e2fsck", ["-fn", system]);
        fs::read(system).unwrap()
    };
    let first = bytes();
    // The clock of file systems must have gone on, or this would prove nothing.
    let begin = newest_change(folder.path());
    let deadline = Instant::now() + Duration::from_secs(10);
    while newest_change(folder.path()) == begin {
        assert!(Instant::now() < deadline, "the clock stands still");
    }
    assert!(first == bytes());
}

/// The change time, in seconds, of a file made now.
fn newest_change(folder: &Path) -> i64 {
    let file = tempfile::tempfile_in(folder).unwrap();
    file.metadata().unwrap().ctime()
}

#[test]
fn damage_in_a_layer_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let layers = layer_folders(folder.path());
    let packed: Vec<_> = layers.iter().map(|layer| pack(layer)).collect();
    let layout = layout(folder.path(), &packed);
    let largest = fs::read_dir(layout.join("blobs/sha256"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    write(&largest, bytes);
    let work = folder.path().join("work");
    fs::create_dir(&work).unwrap();
    let error = open(&layout, None, &work, &options(), &Silent).unwrap_err();
    assert_eq!(error.code(), "import.digest-mismatch");
    assert_eq!(fs::read_dir(&work).unwrap().count(), 0);
}
