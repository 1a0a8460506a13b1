//! The stick is pulled out while a guest writes, and comes back elsewhere: nothing acknowledged is lost, and the guest never
//! learns of it.

use std::{fs, sync::Arc};

use fuser::Errno;
use gobag_stick_model::port::{Medium, Port};
use tempfile::TempDir;

use crate::{
    initrd, kernel,
    program::{Desk, Running},
    require,
    stick::{Contents, Stick, folder},
};

const BLOCK_BYTES: usize = 4096;
const LINES: usize = 240;

/// Numbered lines, each in a block of its own on the home disk, flushed before it is acknowledged. A write that fails would
/// be told.
const WRITER: &str = "i=0; while [ $i -lt 240 ]; do i=$((i+1)); printf 'line %06d' $i | \
    dd of=/dev/vdb bs=4096 seek=$i conv=sync,fsync 2>/tmp/dd || { echo FAILED $i; cat /tmp/dd; }; \
    echo ACK $i; done";

/// The stick in a port, at the first of two places, `first` and `second` in a folder; none without FUSE.
fn plugged_in(stick: &Stick) -> Option<(Arc<Medium>, Port, TempDir)> {
    let (medium, places) = (Medium::new(stick.path()), folder());
    for place in ["first", "second"] {
        fs::create_dir(places.path().join(place)).unwrap();
    }
    let port = Port::mount(&medium, &places.path().join("first"));
    let missing = port.as_ref().err().map(|error| format!("no fuse: {error}"));
    require::have("fuse", missing).then(|| (medium, port.unwrap(), places))
}

/// Hears acknowledgements up to number `last`.
fn hear(gobag: &mut Running, from: usize, last: usize) {
    for number in from..=last {
        assert_eq!(gobag.answers.line(), format!("ACK {number}"));
    }
}

#[test]
fn guest_that_writes_all_the_while_goes_on_with_the_stick_at_another_place() {
    pull_while_a_guest_writes("fuse");
}

#[test]
fn guest_whose_disks_come_through_a_socket_does_so_too() {
    pull_while_a_guest_writes("nbd");
}

fn pull_while_a_guest_writes(door: &str) {
    let office = folder();
    let kernel = kernel::kernel();
    let initrd = kernel.as_ref().map_err(Clone::clone);
    let initrd = initrd.and_then(|kernel| initrd::write(kernel, office.path()));
    if !require::have("qemu", initrd.as_ref().err().cloned()) {
        return;
    }
    let contents = Contents {
        kernel: Some((kernel.unwrap().image, initrd.unwrap())),
        ..Contents::default()
    };
    let stick = Stick::new(&contents);
    let Some((medium, port, places)) = plugged_in(&stick) else {
        return;
    };
    let [first, second] = ["first", "second"].map(|place| places.path().join(place));

    let desk = Desk::new();
    let mut gobag = desk.start(&[
        &"start",
        &"--stick",
        &first,
        &"--passphrase-file",
        &desk.path("right"),
        &"--mode",
        &"vm",
        &"--headless",
        &"--memory",
        &"256",
        &"--cores",
        &"1",
        &"--network",
        &"off",
        &"--door",
        &door,
        // What this computer has does not matter here.
        &"--force",
    ]);
    gobag.answers.wait_for("=== ready");
    let in_folder = desk.in_session();
    assert_eq!(
        in_folder.contains(&"nbd.sock".to_owned()),
        door == "nbd",
        "{in_folder:?}"
    );
    assert_eq!(
        in_folder.contains(&"boot".to_owned()),
        door == "nbd",
        "{in_folder:?}"
    );
    gobag.type_line(WRITER);
    hear(&mut gobag, 1, 60);

    port.pull(Errno::EIO).unwrap();
    let told = gobag.words.wait_for("does not answer");
    assert!(
        told.contains("Was it pulled out?") && told.contains("nothing is lost"),
        "{told}"
    );
    assert!(port.refused() > 0);
    let status = desk.run(&[&"status", &"--json"]).json();
    assert_eq!(status["sessions"][0]["state"], "stick-gone");
    let text = desk.run(&[&"status"]).stdout;
    assert!(
        text.starts_with("office: waiting for the stick: plug it in again"),
        "{text}"
    );

    let elsewhere = Port::mount(&medium, &second).unwrap();
    let back = gobag.words.wait_for("The stick is back");
    assert!(back.contains(&*second.to_string_lossy()), "{back}");
    // What was written before the pull and not yet acknowledged comes first; then it goes on.
    hear(&mut gobag, 61, 150);
    let status = desk.run(&[&"status", &"--json"]).json();
    assert_eq!(
        (&status["sessions"][0]["state"], &status["sessions"][0]["stick"]),
        (&"running".into(), &second.to_string_lossy().into())
    );

    // Once more, with another word from the kernel, and back at the same place.
    elsewhere.pull(Errno::ENODEV).unwrap();
    gobag.words.wait_for("does not answer");
    elsewhere.plug_in();
    gobag.words.wait_for("The stick is back");
    hear(&mut gobag, 151, LINES);
    assert_eq!(gobag.answers.line(), "=== 0");

    gobag.type_line("dmesg | grep -i -c 'i/o error\\|blk_update\\|buffer i/o' || true");
    assert_eq!(gobag.answers.line(), "0");
    gobag.type_line("poweroff -f");
    gobag.answers.wait_for("The stick is safe to remove.");
    assert_eq!(gobag.finish(), Some(0));
    drop((port, elsewhere));

    let home = stick.home();
    for number in 1..=LINES {
        let block = &home[number * BLOCK_BYTES..][..BLOCK_BYTES];
        let text = format!("line {number:06}");
        let is_whole =
            block.starts_with(text.as_bytes()) && block[text.len()..].iter().all(|byte| *byte == 0);
        assert!(is_whole, "{text} was acknowledged and is not on the stick");
    }
    assert!(desk.is_tidy());
}

/// Started from the stick, as people do it: not even the program itself may need the stick while it is out.
#[test]
fn the_program_itself_lies_on_the_stick_and_outlives_it() {
    let stick = Stick::new(&Contents::default());
    fs::create_dir_all(stick.path().join("linux")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_gobag"), stick.path().join("linux/gobag")).unwrap();
    let Some((medium, port, places)) = plugged_in(&stick) else {
        return;
    };
    let [first, second] = ["first", "second"].map(|place| places.path().join(place));
    let desk = Desk::new();
    let words = desk.path("right");
    // Nobody says where the stick is: the program knows where it lies.
    let mut gobag = desk.start_copy(
        &first.join("linux/gobag"),
        &[&"mount", &"--passphrase-file", &words],
    );
    gobag.words.wait_for("The disks are open");
    let maps = fs::read_to_string(format!("/proc/{}/maps", gobag.id())).unwrap();
    assert!(!maps.contains(&*first.to_string_lossy()), "{maps}");
    let name = fs::read_to_string(format!("/proc/{}/comm", gobag.id())).unwrap();
    assert_eq!(name, "gobag\n");

    port.pull(Errno::ENODEV).unwrap();
    let elsewhere = Port::mount(&medium, &second).unwrap();
    assert_eq!(desk.run(&[&"stop"]).exit, 0);
    assert_eq!(gobag.finish(), Some(0));
    assert!(desk.is_tidy());
    drop((port, elsewhere));
}
