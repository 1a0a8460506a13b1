//! Packing, with small scripts in the place of the programs: what is packed, and that it is always the same bytes.

use super::*;

const EPOCH: u64 = 1_750_000_000;

/// A release whose programs are scripts that print what they were asked for.
fn release(folder: &Path, name: &str) -> Release {
    let built = folder.join("built");
    for program in PROGRAMS {
        disk::write(
            &built.join(program),
            "#!/bin/sh\necho \"$0\" | sed 's:.*/::'; echo \"$@\"\n",
        )
        .unwrap();
        disk::set_mode(&built.join(program), 0o755).unwrap();
    }
    Release {
        version: "1.2.3".into(),
        epoch: EPOCH,
        built,
        out: folder.join(name),
    }
}

fn lacks(program: &str) -> bool {
    let missing = !sh::on_path(program);
    if missing {
        println!("skipped: {program} is not installed");
    }
    missing
}

fn pack(release: &Release) -> String {
    let stage = release.out.join("stage");
    stage::fill(release, &stage).unwrap();
    zip(release, &stage).unwrap();
    deb::build(release, &stage).unwrap();
    checksums(release, &stage).unwrap();
    disk::read(&release.out.join("SHA256SUMS")).unwrap()
}

#[test]
fn packing_twice_gives_the_same_bytes() {
    if lacks("zip") || lacks("dpkg-deb") {
        return;
    }
    let folder = disk::private_dir().unwrap();
    let first = pack(&release(&folder, "first"));
    // Other times on the inputs, and another order of making them.
    Cmd::new("touch")
        .args(["-d", "@1"])
        .arg(folder.join("built/gobag"))
        .quiet()
        .run()
        .unwrap();
    let second = pack(&release(&folder, "second"));
    let sums = Cmd::new("sha256sum")
        .args(["--check", "--quiet", "SHA256SUMS"])
        .dir(folder.join("first"));
    assert_eq!(sums.text().unwrap(), "");
    disk::remove(&folder).unwrap();
    assert_eq!(first, second);
    let names: Vec<&str> = first.lines().filter_map(|line| line.split("  ").nth(1)).collect();
    assert_eq!(names, ["gobag-1.2.3-linux-x86_64.zip", "gobag_1.2.3_amd64.deb"]);
}

#[test]
fn the_debian_package_holds_programs_pages_and_completions_owned_by_root() {
    if lacks("dpkg-deb") {
        return;
    }
    let folder = disk::private_dir().unwrap();
    let release = release(&folder, "out");
    let stage = release.out.join("stage");
    stage::fill(&release, &stage).unwrap();
    let name = deb::build(&release, &stage).unwrap();
    let listing = Cmd::new("dpkg-deb")
        .arg("--contents")
        .arg(release.out.join(name))
        .text()
        .unwrap();
    disk::remove(&folder).unwrap();
    for (mode, path) in [
        ("-rwxr-xr-x", "./usr/bin/gobag"),
        ("-rwxr-xr-x", "./usr/bin/gobag-image"),
        ("-rwxr-xr-x", "./usr/bin/gobag-sync"),
        ("-rw-r--r--", "./usr/lib/systemd/system/gobag-sync@.service"),
        ("-rw-r--r--", "./usr/share/man/man1/gobag.1.gz"),
        (
            "-rw-r--r--",
            "./usr/share/bash-completion/completions/gobag-image",
        ),
        ("-rw-r--r--", "./usr/share/doc/gobag/copyright"),
    ] {
        let line = listing
            .lines()
            .find(|line| line.ends_with(path))
            .unwrap_or_default();
        assert!(line.starts_with(&format!("{mode} root/root")), "{path}: {line}");
    }
}

#[test]
fn a_dynamic_program_is_refused_and_a_static_one_is_not() {
    if lacks("readelf") || lacks("busybox") {
        return;
    }
    let dynamic = std::env::current_exe().unwrap();
    assert!(
        must_be_static(&dynamic)
            .unwrap_err()
            .to_string()
            .contains("is not static")
    );
    must_be_static(Path::new("/bin/busybox")).unwrap();
}
