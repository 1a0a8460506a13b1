//! Disks open as a block socket: a program that nobody here wrote (`qemu-io`) reads and writes them.

#![expect(clippy::disallowed_methods, reason = "runs a client of the socket")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use crate::{
    initrd, kernel,
    program::{Desk, Running},
    require,
    stick::{Contents, Stick, folder},
};

fn has_client() -> bool {
    let missing = Command::new("qemu-io").arg("--version").output().err();
    require::have("qemu", missing.map(|error| format!("qemu-io: {error}")))
}

/// Runs commands of `qemu-io`; its last words if it failed.
fn qemu_io(address: &str, commands: &[&str]) -> Result<(), String> {
    let mut client = Command::new("qemu-io");
    client.args(["-f", "raw"]);
    for command in commands {
        client.args(["-c", command]);
    }
    let Output {
        status,
        stdout,
        stderr,
    } = client.arg(address).output().unwrap();
    let said = [stdout, stderr].concat();
    match status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&said).into_owned()),
    }
}

/// An open door, and the first line that tells of the home disk.
fn mount(desk: &Desk, stick: &Stick, door: &str) -> (Running, String) {
    let mut running = desk.start(&[
        &"mount",
        &"--door",
        &door,
        &"--stick",
        &stick.path(),
        &"--passphrase-file",
        &"right",
    ]);
    let home = running.words.wait_for("home.img");
    let (address, size) = home.rsplit_once(" (").unwrap();
    assert_eq!(size, "4.0 MiB)");
    (running, address.to_owned())
}

#[test]
fn what_a_client_flushed_is_there_after_a_killed_launcher_and_stop_ends_it() {
    if !has_client() {
        return;
    }
    let (desk, stick) = (Desk::new(), Stick::new(&Contents::default()));
    let (mut killed, address) = mount(&desk, &stick, "nbd");
    assert!(address.starts_with("nbd+unix:///home.img?socket=/"), "{address}");
    killed.words.wait_for("The disks are open");
    qemu_io(&address, &["write -P 0x6b 8192 4096", "flush"]).unwrap();
    killed.kill();
    assert!(qemu_io(&address, &["read 0 512"]).is_err(), "nobody answers");

    let (mut again, address) = mount(&desk, &stick, "nbd");
    again.words.wait_for("The disks are open");
    assert_eq!(desk.sessions().len(), 1, "what the killed one left is gone");
    qemu_io(&address, &["read -P 0x6b 8192 4096", "write -P 0x6c 12288 512"]).unwrap();
    let wrong = qemu_io(&address, &["read -P 0x6d 8192 4096"]);
    assert!(wrong.is_err(), "this client tells when bytes differ");
    let status = desk.run(&[&"status", &"--json"]).json();
    let socket = status["sessions"][0]["socket"].as_str().unwrap().to_owned();
    assert!(address.ends_with(&socket), "{socket}");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(desk.run(&[&"stop"]).stdout, "The stick is safe to remove.\n");
    assert_eq!(again.finish(), Some(0));
    let home = stick.home();
    assert!(
        home[8192..12288].iter().all(|byte| *byte == 0x6b),
        "flushed by the client"
    );
    assert!(
        home[12288..12800].iter().all(|byte| *byte == 0x6c),
        "flushed by the end"
    );
    assert!(desk.is_tidy());
}

#[test]
fn a_door_on_the_loopback_network_says_its_secret_only_in_a_private_file() {
    if !has_client() {
        return;
    }
    let (desk, stick) = (Desk::new(), Stick::new(&Contents::default()));
    let (mut open, _) = mount(&desk, &stick, "nbd-loopback");
    let told = open.words.wait_for("with their secret, are in ");
    let (server, file) = told
        .split_once("; the full addresses, with their secret, are in ")
        .unwrap();
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let addresses = fs::read_to_string(file).unwrap();
    let lines: Vec<(&str, &str)> = addresses
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let (_, address) = lines.iter().find(|(name, _)| *name == "home.img").unwrap();
    let secret = address
        .strip_prefix(&format!("nbd://{server}/"))
        .and_then(|rest| rest.strip_suffix("/home.img"))
        .unwrap();
    assert_eq!(secret.len(), 32);
    qemu_io(address, &["write -P 0x6e 0 4096"]).unwrap();
    for wrong in ["home.img", &format!("{}/home.img", "0".repeat(32))] {
        let refused = qemu_io(&format!("nbd://{server}/{wrong}"), &["read 0 512"]);
        assert!(refused.is_err(), "{wrong}");
    }
    let status = desk.run(&[&"status"]).stdout;
    assert!(status.contains(server) && !status.contains(secret), "{status}");
    assert_eq!(desk.run(&[&"stop"]).exit, 0);
    let words = open.words.rest().join("\n") + &open.answers.rest().join("\n");
    assert!(!words.contains(secret), "{words}");
    assert_eq!(open.finish(), Some(0));
    assert!(stick.home()[..4096].iter().all(|byte| *byte == 0x6e));
    assert!(desk.is_tidy());
}

#[test]
fn guest_without_fuse_gets_its_disks_through_the_socket_by_itself() {
    let office = folder();
    let kernel = kernel::kernel();
    let initrd = kernel.as_ref().map_err(Clone::clone);
    let initrd = initrd.and_then(|kernel| initrd::write(kernel, office.path()));
    let no_root = (!rustix::process::geteuid().is_root()).then(|| "another user".to_owned());
    if !require::have("qemu", initrd.as_ref().err().cloned()) || !require::have("root", no_root) {
        return;
    }
    let stick = Stick::new(&Contents {
        kernel: Some((kernel.unwrap().image, initrd.unwrap())),
        ..Contents::default()
    });
    let desk = Desk::new();
    let mut gobag = desk.start_without_fuse(&[
        &"start",
        &"--stick",
        &stick.path(),
        &"--passphrase-file",
        &desk.path("right"),
        &"--mode",
        &"vm",
        &"--headless",
        &"--memory",
        &"256",
        &"--network",
        &"off",
        &"--force",
    ]);
    gobag
        .words
        .wait_for("has no FUSE for you; the disks reach the virtual machine through a private socket");
    gobag.answers.wait_for("=== ready");
    assert!(desk.in_session().contains(&"nbd.sock".to_owned()));
    gobag.type_line("printf kept | dd of=/dev/vdb bs=4096 seek=2 conv=sync,fsync 2>/dev/null; poweroff -f");
    gobag.answers.wait_for("The stick is safe to remove.");
    assert_eq!(gobag.finish(), Some(0));
    assert_eq!(&stick.home()[8192..8196], b"kept");
    assert!(desk.is_tidy());
}

#[test]
fn a_folder_and_a_container_need_files() {
    let (desk, stick) = (Desk::new(), Stick::new(&Contents::default()));
    let path = stick.path();
    let unlock: [&dyn AsRef<std::ffi::OsStr>; 4] = [&"--stick", &path, &"--passphrase-file", &"right"];
    let run = |words: &[&'static str]| {
        let words = words.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>);
        let args: Vec<&dyn AsRef<std::ffi::OsStr>> = words.chain(unlock).collect();
        let ran = desk.run(&args);
        (ran.exit, ran.code())
    };
    assert_eq!(
        run(&["mount", "elsewhere", "--door", "nbd", "--json"]),
        (2, "gobag.door-folder".to_owned())
    );
    assert_eq!(
        run(&[
            "start",
            "--mode",
            "container",
            "--door",
            "nbd",
            "--force",
            "--json"
        ]),
        (2, "gobag.door-container".to_owned())
    );
    assert!(desk.is_tidy());
}
