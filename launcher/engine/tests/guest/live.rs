//! The life of an ordinary guest, from its start to its end.

use std::time::Duration;

use gobag_engine::{
    accel::Accelerator,
    guest::{Event, PauseReason, agent::Agent},
    machine::{self, PINNED_MACHINE_TYPE},
    supervise::{self, Fallback},
};

use crate::{
    console::PATIENCE,
    machine::{bench, qemu, wait_for, wait_for_exit},
};

#[test]
fn a_guest_boots_shows_life_and_turns_itself_off() {
    let Some(bench) = bench() else { return };
    let (guest, mut console) = bench.start();
    wait_for(
        &guest,
        "its start",
        |event| matches!(event, Event::Started { accelerator: Accelerator::Tcg, pid } if *pid > 1),
    );
    wait_for(&guest, "life", |event| matches!(event, Event::SignOfLife { .. }));
    console.ready();
    let status = guest.status().unwrap();
    assert!(status.running && status.state == "running", "{status:?}");
    let cpu = console.run("grep -m1 'model name' /proc/cpuinfo");
    assert!(cpu.contains("Nehalem"), "{cpu}");
    console.send("poweroff -f");
    wait_for(&guest, "shutdown", |event| {
        matches!(event, Event::ShuttingDown { by_guest: true })
    });
    let (success, words) = wait_for_exit(&guest);
    assert!(success, "{words}");
    assert!(guest.wait(Duration::ZERO).is_some());
    assert_eq!(guest.status().unwrap_err().code(), "engine.qmp-closed");
}

#[test]
fn the_power_button_reaches_the_guest() {
    let Some(bench) = bench() else { return };
    let (guest, mut console) = bench.start();
    console.ready();
    console.run("button=$(grep -A5 'Power Button' /proc/bus/input/devices | grep -o 'event[0-9]*')");
    // What a desktop's session manager does: wait for the button, shut down.
    console.run("exec 4< /dev/input/$button");
    console.send("head -c 24 <&4 >/tmp/pressed; poweroff -f");
    guest.power_down().unwrap();
    let (success, words) = wait_for_exit(&guest);
    assert!(success, "{words}");
}

#[test]
fn a_guest_agent_is_asked_too() {
    let Some(bench) = bench() else { return };
    let (guest, mut console) = bench.start();
    console.ready();
    // An agent in four lines of shell: answers the greeting, then waits for the order to shut down.
    console.run("exec 3<> /dev/vport1p1 || exec 3<> /dev/vport2p1");
    console.send(
        "read -r hello <&3; id=$(echo \"$hello\" | grep -o '\"id\":[0-9]*' | cut -d: -f2); \
         printf '\\377{\"return\": %s}\\n' $id >&3; read -r order <&3; echo \"ORDER $order\"",
    );
    let socket = bench.folder.path().join("agent.sock");
    let mut agent = Agent::connect(&socket, PATIENCE).unwrap();
    agent.shut_down().unwrap();
    let order = console.wait_for("ORDER ");
    assert!(order.contains("guest-shutdown"), "{order}");
    guest.quit().unwrap();
    let (success, words) = wait_for_exit(&guest);
    assert!(success, "{words}");
}

#[test]
fn a_guest_stands_still_and_goes_on_when_asked() {
    let Some(bench) = bench() else { return };
    let (guest, mut console) = bench.start();
    console.ready();
    guest.pause().unwrap();
    let event = wait_for(&guest, "pause", |event| matches!(event, Event::Paused { .. }));
    let asked = PauseReason::Asked;
    assert_eq!(event, Event::Paused { reason: asked });
    assert!(!guest.status().unwrap().running);
    guest.cont().unwrap();
    wait_for(&guest, "resume", |event| *event == Event::Resumed);
    assert_eq!(console.run("echo still here").trim(), "still here");
}

#[test]
fn dropping_the_guest_pulls_its_plug() {
    let Some(bench) = bench() else { return };
    let (guest, mut console) = bench.start();
    console.ready();
    let events = guest.events().clone();
    drop(guest);
    let last = events.iter().last();
    assert!(matches!(last, Some(Event::Exited { exit }) if !exit.success));
}

#[test]
fn what_qemu_refuses_is_said_in_its_words() {
    let Some(mut bench) = bench() else { return };
    bench.disk("gobag-system", "/no/such/disk".as_ref());
    let error = supervise::start(bench.spec.clone(), bench.options()).unwrap_err();
    assert_eq!(error.code(), "engine.qemu-ended");
    assert!(error.to_string().contains("/no/such/disk"), "{error}");
}

#[test]
fn the_pinned_machine_type_or_its_neighbour_is_found() {
    let Some(qemu) = qemu() else { return };
    let found = machine::machine_type(&qemu, PINNED_MACHINE_TYPE, PATIENCE).unwrap();
    assert!(found.name.starts_with("pc-q35-"));
    let error = machine::machine_type(&qemu, "pc-none-1.0", PATIENCE).unwrap_err();
    assert_eq!(error.code(), "engine.machine-type-missing");
}

/// A QEMU whose `kvm` starts but never runs an instruction, as on a host that cannot run ordinary guests.
fn qemu_with_dead_kvm(bench: &crate::machine::Bench) -> std::path::PathBuf {
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *'-accel kvm'*)\n\
         for arg; do shift; [ \"$arg\" = kvm ] && arg=tcg; set -- \"$@\" \"$arg\"; done\n\
         set -- -S \"$@\" ;; esac\nexec {} \"$@\"\n",
        bench.qemu.display()
    );
    executable(bench, "qemu-dead-kvm", &script)
}

#[expect(clippy::disallowed_methods, reason = "the test makes its own programs")]
fn executable(bench: &crate::machine::Bench, name: &str, script: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = bench.folder.path().join(name);
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

#[test]
fn without_a_sign_of_life_the_next_accelerator_is_tried() {
    let Some(mut bench) = bench() else { return };
    bench.qemu = qemu_with_dead_kvm(&bench);
    bench.spec.accelerator = Accelerator::Kvm;
    bench.fallback = Some(Fallback {
        accelerator: Accelerator::Tcg,
        after: Duration::from_secs(2),
    });
    let (guest, mut console) = bench.start();
    let event = wait_for(&guest, "fallback", |event| {
        matches!(event, Event::FellBack { .. })
    });
    let reason = "no sign of life within 2 s".to_owned();
    let (from, to) = (Accelerator::Kvm, Accelerator::Tcg);
    assert_eq!(event, Event::FellBack { from, to, reason });
    // The console is still the same one.
    console.ready();
    wait_for(&guest, "life", |event| matches!(event, Event::SignOfLife { .. }));
    assert_eq!(guest.status().unwrap().accelerator, Accelerator::Tcg);
}

#[test]
fn an_accelerator_that_qemu_refuses_is_fallen_back_from_at_once() {
    let Some(mut bench) = bench() else { return };
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *'-accel kvm'*) echo no kvm today >&2; exit 1;; esac\nexec {} \"$@\"\n",
        bench.qemu.display()
    );
    bench.qemu = executable(&bench, "qemu-no-kvm", &script);
    bench.spec.accelerator = Accelerator::Kvm;
    let error = supervise::start(bench.spec.clone(), bench.options()).unwrap_err();
    assert!(error.to_string().contains("no kvm today"), "{error}");

    bench.fallback = Some(Fallback {
        accelerator: Accelerator::Tcg,
        after: PATIENCE,
    });
    let (guest, _console) = bench.start();
    let event = wait_for(&guest, "fallback", |event| {
        matches!(event, Event::FellBack { .. })
    });
    assert!(matches!(event, Event::FellBack { reason, .. } if reason.contains("no kvm today")));
}
