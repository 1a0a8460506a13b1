//! Machines and their argument lists. The lists stand in `golden/`, one argument a line; `GOBAG_BLESS=1` rewrites them.

use super::*;

pub(crate) fn small() -> MachineSpec {
    MachineSpec {
        name: "office".into(),
        machine_type: PINNED_MACHINE_TYPE.into(),
        accelerator: Accelerator::Tcg,
        cpu: CpuModel::Baseline,
        cores: 1,
        memory_mib: 256,
        uuid: "6ba7b810-9dad-11d1-80b4-00c04fd430c8".into(),
        boot: Boot::Kernel {
            kernel: "/run/boot/vmlinuz".into(),
            initrd: Some("/run/boot/initrd".into()),
            command_line: "root=/dev/vda console=ttyS0, quiet".into(),
        },
        disks: vec![disk("gobag-system", "/run/gobag/volumes/system")],
        network: Network::Off,
        display: Display::None,
        serial: Serial::Console,
        clock: Clock::Utc,
    }
}

fn disk(serial: &str, path: &str) -> Disk {
    Disk {
        serial: serial.into(),
        source: DiskSource::File(path.into()),
        bus: DiskBus::Virtio,
        read_only: false,
    }
}

fn socket(path: &str, export: &str) -> DiskSource {
    DiskSource::Socket {
        path: path.into(),
        export: export.into(),
    }
}

fn user_network(card: NetworkCard, restrict: bool) -> Network {
    let mac = "52:54:00:12:34:56".into();
    Network::User { mac, card, restrict }
}

fn paths() -> RuntimePaths {
    RuntimePaths {
        folder: "/run/user/1000/gobag-x".into(),
        qmp_fd: 5,
        console_fd: Some(6),
    }
}

#[expect(clippy::disallowed_methods, reason = "GOBAG_BLESS rewrites the golden files")]
fn assert_golden(name: &str, spec: &MachineSpec) {
    spec.check(&paths().folder).unwrap();
    let args = qemu_args(spec, &paths());
    let lines: Vec<&str> = args.iter().map(|arg| arg.to_str().unwrap()).collect();
    let text = lines.join("\n") + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/machine/golden/{name}.args"));
    if std::env::var_os("GOBAG_BLESS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, golden, "{}", file.display());
}

#[test]
fn a_kernel_booted_directly_without_network_and_screen() {
    assert_golden("kernel-headless", &small());
}

#[test]
fn a_desktop_with_two_disks_in_a_window() {
    let mut spec = small();
    spec.accelerator = Accelerator::Kvm;
    spec.boot = Boot::Bios;
    spec.cores = 4;
    spec.memory_mib = 4096;
    spec.disks.push(disk("gobag-home", "/run/gobag/volumes/home"));
    spec.network = user_network(NetworkCard::Virtio, false);
    spec.display = Display::Gtk;
    spec.serial = Serial::Log("/run/gobag/serial.log".into());
    assert_golden("desktop-gtk", &spec);
}

#[test]
fn another_system_with_uefi_and_no_drivers_of_ours() {
    let mut spec = small();
    spec.boot = Boot::Uefi {
        code: "/usr/share/OVMF/OVMF_CODE_4M.fd".into(),
        vars: "/run/gobag/vars,1.fd".into(),
    };
    spec.disks = vec![disk("gobag-system", "/run/with, comma/system")];
    spec.disks[0].bus = DiskBus::Sata;
    spec.disks.push(disk("gobag-tools", "/run/gobag/tools"));
    spec.disks[1].read_only = true;
    spec.network = user_network(NetworkCard::E1000e, true);
    spec.display = Display::Vnc;
    spec.serial = Serial::Off;
    spec.clock = Clock::Local;
    spec.cpu = CpuModel::BaselineAes;
    assert_golden("uefi-foreign", &spec);
}

#[test]
fn disks_behind_a_block_socket() {
    let mut spec = small();
    for (disk, export) in [("gobag-home", "home.img"), ("gobag-tools", "a, b")] {
        spec.disks.push(Disk {
            source: socket("/run/with, comma/nbd.sock", export),
            ..self::disk(disk, "")
        });
    }
    spec.disks[1].bus = DiskBus::Sata;
    spec.disks[2].read_only = true;
    assert_golden("block-socket", &spec);
}

#[test]
fn every_golden_file_belongs_to_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/machine/golden");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    let known = [
        "block-socket.args",
        "desktop-gtk.args",
        "kernel-headless.args",
        "uefi-foreign.args",
    ];
    assert_eq!(names, known);
}

#[test]
fn a_spec_survives_json() {
    let text = serde_json::to_string(&small()).unwrap();
    assert_eq!(serde_json::from_str::<MachineSpec>(&text).unwrap(), small());
}

#[test]
fn what_cannot_be_built_is_refused() {
    let folder = Path::new("/run/x");
    let code = |change: &dyn Fn(&mut MachineSpec)| {
        let mut spec = small();
        change(&mut spec);
        spec.check(folder).map_err(|error| error.code())
    };
    assert_eq!(code(&|_| {}), Ok(()));
    assert_eq!(code(&|s| s.cores = 0), Err("engine.machine-range"));
    assert_eq!(code(&|s| s.memory_mib = 1), Err("engine.machine-range"));
    let form = Err("engine.machine-form");
    assert_eq!(code(&|s| s.machine_type = "q35,accel=kvm".into()), form);
    assert_eq!(code(&|s| s.uuid = "6ba7b810".into()), form);
    assert_eq!(code(&|s| s.disks[0].serial = "a,b".into()), form);
    assert_eq!(code(&|s| s.disks[0].serial = "a".repeat(21)), form);
    for export in ["", "a\nb", &"x".repeat(256)] {
        let set = |s: &mut MachineSpec| s.disks[0].source = socket("/run/x/nbd.sock", export);
        assert_eq!(code(&set), form, "{export:?}");
    }
    let far = format!("/run/{}", "x".repeat(103));
    let set = |s: &mut MachineSpec| s.disks[0].source = socket(&far, "home");
    assert_eq!(code(&set), Err("engine.machine-folder-name"));
    for mac in [
        "52:54:00:12:34",
        "53:54:00:12:34:56",
        "50:54:00:12:34:56",
        "é:54:00:12:34:56",
    ] {
        let set = |s: &mut MachineSpec| {
            s.network = user_network(NetworkCard::Virtio, false);
            let Network::User { mac: own, .. } = &mut s.network else {
                unreachable!()
            };
            *own = mac.into();
        };
        assert_eq!(code(&set), form, "{mac}");
    }
    let twice = |s: &mut MachineSpec| s.disks.push(s.disks[0].clone());
    assert_eq!(code(&twice), Err("engine.machine-same-serial"));

    let read_only_sata = |s: &mut MachineSpec| {
        s.disks[0].bus = DiskBus::Sata;
        s.disks[0].read_only = true;
    };
    let refused = Err("engine.machine-read-only-sata");
    assert_eq!(code(&read_only_sata), refused);

    let deep = Path::new("/").join("x".repeat(100));
    let error = small().check(&deep).unwrap_err();
    assert_eq!(error.code(), "engine.machine-folder-name");
}
