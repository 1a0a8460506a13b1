//! From a machine to QEMU's arguments.
//!
//! Disks. `cache.direct=on` looks needless for a file that our FUSE front end serves without a page cache, but decides
//! whether a pulled stick can come back: after one failed `fdatasync` of a file opened without it, QEMU assumes that
//! the page cache has lost data and fails every later flush until it is started again. Its price: QEMU cannot learn
//! the alignment of a FUSE file, assumes 4 KiB, and reads around smaller requests; so the guest is told of 4 KiB
//! physical blocks. `cache.no-flush=off` with `write-cache=on`: the guest sees a disk with a volatile cache, sends
//! flushes, and each one becomes an `fdatasync` of the FUSE file, which is our acknowledgement. `aio=threads`: many
//! requests at a time without the special cases of Linux AIO and io_uring, which hand FUSE files to threads as well.
//! Trim and blocks of zeroes reach us as holes. `werror=stop,rerror=stop`: an I/O error stops the machine instead of
//! reaching the guest, and the request is repeated on `cont`. An I/O thread keeps the disk going while a window is
//! drawn.
//!
//! A disk behind a block socket has all of that in the protocol itself: flushes, trim and zeroes are requests, errors are
//! answers, and the server is this launcher, so a lost connection needs no second try.
//!
//! `-nodefaults -no-user-config`: nothing but what stands here, whatever the host's QEMU was configured to do.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::{
    Boot, Clock, Disk, DiskBus, DiskSource, Display, MachineSpec, Network, NetworkCard, RuntimePaths,
    SANDBOX, Serial,
};
use crate::accel::Accelerator;

/// QEMU's arguments for a machine; see [`MachineSpec::check`] for what must hold.
pub fn qemu_args(spec: &MachineSpec, runtime: &RuntimePaths) -> Vec<OsString> {
    let mut args = Args::default();
    frame(&mut args, spec);
    boot(&mut args, spec);
    for (index, disk) in spec.disks.iter().enumerate() {
        add_disk(&mut args, index, disk);
    }
    network(&mut args, &spec.network);
    display(&mut args, spec.display, runtime);
    serial(&mut args, &spec.serial, runtime);
    channels(&mut args, runtime);
    args.0
}

/// The machine itself: type, processor, memory, clock.
fn frame(args: &mut Args, spec: &MachineSpec) {
    args.add("-name", value("guest=").escaped(&spec.name));
    args.flag("-nodefaults");
    args.flag("-no-user-config");
    args.add("-sandbox", SANDBOX);
    let mut machine = value(&spec.machine_type).text(",vmport=off");
    if matches!(spec.boot, Boot::Uefi { .. }) {
        machine = machine.text(",pflash0=firmware-code,pflash1=firmware-vars");
    }
    args.add("-machine", machine);
    args.add(
        "-accel",
        match spec.accelerator {
            Accelerator::Tcg => "tcg,thread=multi",
            other => other.name(),
        },
    );
    args.add("-cpu", spec.cpu.qemu_argument());
    let cores = spec.cores;
    args.add("-smp", format!("cpus={cores},sockets=1,cores={cores},threads=1"));
    args.add("-m", format!("size={}M", spec.memory_mib));
    args.add("-uuid", &*spec.uuid);
    args.add(
        "-rtc",
        match spec.clock {
            Clock::Utc => "base=utc",
            Clock::Local => "base=localtime",
        },
    );
    args.add("-object", "rng-builtin,id=random");
    args.add("-device", "virtio-rng-pci,rng=random");
    args.add("-object", "iothread,id=disks");
}

fn boot(args: &mut Args, spec: &MachineSpec) {
    match &spec.boot {
        Boot::Bios => args.add("-boot", "strict=on"),
        Boot::Uefi { code, vars } => {
            for (name, read_only, path) in [("firmware-code", "on", code), ("firmware-vars", "off", vars)] {
                let node = value("driver=raw,node-name=")
                    .text(name)
                    .text(",read-only=")
                    .text(read_only)
                    .text(",file.driver=file,file.filename=")
                    .escaped(path);
                args.add("-blockdev", node);
            }
            args.add("-boot", "strict=on");
        }
        Boot::Kernel {
            kernel,
            initrd,
            command_line,
        } => {
            args.add("-kernel", kernel.as_os_str());
            if let Some(initrd) = initrd {
                args.add("-initrd", initrd.as_os_str());
            }
            args.add("-append", kernel_words(command_line, spec.accelerator));
        }
    }
}

/// A kernel's command line. Linux proves at start that timer interrupts arrive in time, and panics if not ("IO-APIC +
/// timer doesn't work!"). Where the processor is emulated on a busy host they do not, and nothing is wrong; hypervisors
/// that Linux recognises are trusted without the proof, so an emulated one gets the same trust. Guests of ours have x86
/// processors; other kernels ignore the word.
fn kernel_words(command_line: &str, accelerator: Accelerator) -> String {
    match accelerator {
        Accelerator::Tcg => format!("{command_line} no_timer_check"),
        _ => command_line.to_owned(),
    }
}

fn add_disk(args: &mut Args, index: usize, disk: &Disk) {
    let serial = &disk.serial;
    let on_off = if disk.read_only { "on" } else { "off" };
    let node = value("driver=raw,node-name=")
        .text(serial)
        .text(",read-only=")
        .text(on_off)
        .text(",discard=unmap,detect-zeroes=")
        .text(if disk.read_only { "off" } else { "unmap" })
        .text(",cache.direct=on,cache.no-flush=off");
    let node = match &disk.source {
        DiskSource::File(path) => node
            .text(",file.driver=file,file.aio=threads,file.filename=")
            .escaped(path),
        DiskSource::Socket { path, export } => node
            .text(",file.driver=nbd,file.server.type=unix,file.server.path=")
            .escaped(path)
            .text(",file.export=")
            .escaped(export),
    };
    args.add("-blockdev", node);
    let (driver, only_here) = match disk.bus {
        DiskBus::Virtio => ("virtio-blk-pci".to_owned(), ",iothread=disks"),
        DiskBus::Sata => (format!("ide-hd,bus=ide.{index}"), ""),
    };
    args.add(
        "-device",
        format!(
            "{driver},drive={serial},id=disk-{serial},serial={serial}{only_here},write-cache=on,\
             physical_block_size=4096,logical_block_size=512,werror=stop,rerror=stop,bootindex={}",
            index + 1
        ),
    );
}

fn network(args: &mut Args, network: &Network) {
    let Network::User { mac, card, restrict } = network else {
        return;
    };
    let restrict = if *restrict { "on" } else { "off" };
    args.add("-netdev", format!("user,id=net,restrict={restrict}"));
    let driver = match card {
        NetworkCard::Virtio => "virtio-net-pci",
        NetworkCard::E1000e => "e1000e",
    };
    // No boot ROM: nothing boots from the network, and the host may lack the file.
    args.add("-device", format!("{driver},netdev=net,mac={mac},romfile="));
}

fn display(args: &mut Args, display: Display, runtime: &RuntimePaths) {
    // Closing the window would be pulling the plug; a guest is shut down from inside or by the launcher.
    args.add(
        "-display",
        match display {
            Display::None => value("none"),
            Display::Gtk => value("gtk,window-close=off"),
            Display::Sdl => value("sdl,window-close=off"),
            Display::Vnc => value("vnc=unix:").escaped(runtime.vnc()),
        },
    );
    if display != Display::None {
        args.add("-device", "VGA,vgamem_mb=32");
        args.add("-device", "qemu-xhci");
        args.add("-device", "usb-tablet");
    }
}

fn serial(args: &mut Args, serial: &Serial, runtime: &RuntimePaths) {
    let chardev = match (serial, runtime.console_fd) {
        (Serial::Console, Some(fd)) => value("socket,id=serial,fd=").text(&fd.to_string()),
        (Serial::Log(path), _) => value("file,id=serial,append=on,path=").escaped(path),
        (Serial::Off | Serial::Console, _) => return,
    };
    args.add("-chardev", chardev);
    args.add("-serial", "chardev:serial");
}

/// The ways the launcher talks to QEMU and to the guest's agent.
fn channels(args: &mut Args, runtime: &RuntimePaths) {
    args.add("-chardev", format!("socket,id=qmp,fd={}", runtime.qmp_fd));
    args.add("-mon", "chardev=qmp,mode=control");
    args.add(
        "-chardev",
        value("socket,id=agent,server=on,wait=off,path=").escaped(runtime.agent()),
    );
    args.add("-device", "virtio-serial-pci");
    args.add(
        "-device",
        "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
    );
}

#[derive(Default)]
struct Args(Vec<OsString>);

impl Args {
    fn flag(&mut self, name: &str) {
        self.0.push(name.into());
    }

    fn add(&mut self, name: &str, value: impl Into<OsString>) {
        self.flag(name);
        self.0.push(value.into());
    }
}

/// One argument of the form `a=b,c=d`, built so that a comma in a path does not end it.
struct Value(OsString);

fn value(text: &str) -> Value {
    Value(text.into())
}

impl Value {
    fn text(mut self, text: &str) -> Self {
        self.0.push(text);
        self
    }

    fn escaped(mut self, text: impl AsRef<OsStr>) -> Self {
        let bytes = text.as_ref().as_bytes();
        let doubled = bytes.iter().flat_map(|&byte| {
            let times = if byte == b',' { 2 } else { 1 };
            std::iter::repeat_n(byte, times)
        });
        self.0.push(OsString::from_vec(doubled.collect()));
        self
    }
}

impl From<Value> for OsString {
    fn from(value: Value) -> Self {
        value.0
    }
}
