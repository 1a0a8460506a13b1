//! From what is wanted to what is run, as pure functions.
//!
//! Three programs of the host do the work: `unshare` holds the namespaces with the mounts (see [`super::agent`]), `nsenter`
//! brings a process in there as the right user, and `bwrap` builds the container around it. `bwrap` makes a second user
//! namespace in the first one, in which the process has the same number but no power over the mounts.

use std::{
    ffi::OsString,
    os::fd::RawFd,
    path::{Path, PathBuf},
};

use super::{ContainerNetwork, ContainerSpec, Tools, VolumeSource, agent::Mount};
use crate::userns::{ID_COUNT, IdMap};

/// Mount points in the run folder.
pub(super) const SYSTEM: &str = "system";
pub(super) const HOME: &str = "home";

/// Where distributions let `/etc/resolv.conf` point; all of it is on the container's own empty `/run`.
const RESOLV_CONF_TARGETS: [&str; 4] = [
    "/run/systemd/resolve/stub-resolv.conf",
    "/run/systemd/resolve/resolv.conf",
    "/run/NetworkManager/resolv.conf",
    "/run/resolvconf/resolv.conf",
];

/// Descriptors that `bwrap` gets from us.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fds {
    /// It writes here what it started and how that ended.
    pub(super) status: RawFd,
    /// It waits for a byte here until the users of its namespace are mapped; none when it maps them itself.
    pub(super) block: Option<RawFd>,
    /// Without another place to write about its namespaces, it refuses `block`. Nobody reads here.
    pub(super) info: RawFd,
    /// It reads the filter of system calls here.
    pub(super) seccomp: RawFd,
}

/// What was seen in the volumes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// `/etc/resolv.conf` is a file that ours can be put over.
    pub(super) resolv_conf_is_file: bool,
    /// The user has a home folder.
    pub(super) user_home_exists: bool,
}

/// The volumes for the agent to mount.
pub(super) fn mounts(spec: &ContainerSpec, tools: &Tools, map: IdMap) -> Vec<Mount> {
    let mount = |volume: &VolumeSource, name| {
        let access = if volume.read_only { "ro" } else { "rw" };
        let (fuse2fs, options) = match map {
            IdMap::Host => (None, format!("loop,nosuid,nodev,{access}")),
            // The kernel judges permissions by the file's owner and mode (`default_permissions`), for every user of the
            // namespace (`allow_other`); fuse2fs itself, which knows no supplementary groups, does not (`fakeroot`).
            _ => (
                tools.fuse2fs.clone(),
                format!("{access},allow_other,default_permissions,fakeroot"),
            ),
        };
        Mount {
            image: volume.image.clone(),
            name,
            fuse2fs,
            options,
        }
    };
    let system = mount(&spec.system, SYSTEM);
    let home = spec.home.as_ref().map(|volume| mount(volume, HOME));
    std::iter::once(system).chain(home).collect()
}

/// The program that enters the agent's namespaces and runs `bwrap` there, with its arguments.
pub(super) fn enter(
    spec: &ContainerSpec,
    tools: &Tools,
    map: IdMap,
    agent: u32,
    fds: Fds,
    facts: Facts,
) -> (PathBuf, Vec<OsString>) {
    let mut args = Args::default();
    if spec.terminal {
        // A session of its own, with our new terminal in control of it.
        args.add(["--ctty", "--wait"]);
        args.path(&tools.nsenter);
    }
    if map != IdMap::Host {
        args.one(format!("--user=/proc/{agent}/ns/user"));
    }
    args.one(format!("--mount=/proc/{agent}/ns/mnt"));
    args.one(format!("--pid=/proc/{agent}/ns/pid_for_children"));
    if map == IdMap::Single {
        // The caller already is the one user there is.
        args.one("--preserve-credentials".to_owned());
    } else {
        args.one(format!("--setuid={}", spec.user.uid));
        args.one(format!("--setgid={}", spec.user.gid));
    }
    args.add(["--"]);
    args.path(&tools.bwrap);
    bwrap(&mut args, spec, map, fds, facts);
    let program = if spec.terminal {
        &tools.setsid
    } else {
        &tools.nsenter
    };
    (program.clone(), args.0)
}

fn bwrap(args: &mut Args, spec: &ContainerSpec, map: IdMap, fds: Fds, facts: Facts) {
    args.add([
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]);
    if spec.network == ContainerNetwork::Off {
        args.add(["--unshare-net"]);
    }
    if let Some(block) = fds.block {
        args.add([
            "--userns-block-fd",
            &block.to_string(),
            "--info-fd",
            &fds.info.to_string(),
        ]);
    }
    args.add(["--json-status-fd", &fds.status.to_string()]);
    args.add([
        "--uid",
        &spec.user.uid.to_string(),
        "--gid",
        &spec.user.gid.to_string(),
    ]);
    args.add(["--hostname", &spec.hostname]);
    args.add(["--cap-drop", "ALL", "--die-with-parent"]);
    args.add(["--seccomp", &fds.seccomp.to_string()]);
    file_systems(args, spec, map, facts);
    environment(args, spec);
    args.add(["--chdir"]);
    match facts.user_home_exists {
        true => args.path(&spec.user.home),
        false => args.add(["/"]),
    }
    args.add(["--"]);
    if spec.command.is_empty() {
        args.path(&spec.user.shell);
        args.add(["-l"]);
    }
    args.0.extend(spec.command.iter().cloned());
}

fn file_systems(args: &mut Args, spec: &ContainerSpec, map: IdMap, facts: Facts) {
    let bind = |volume: &VolumeSource| if volume.read_only { "--ro-bind" } else { "--bind" };
    args.add([bind(&spec.system)]);
    args.path(&spec.run_dir.join(SYSTEM));
    args.add(["/"]);
    if let Some(home) = &spec.home {
        args.add([bind(home)]);
        args.path(&spec.run_dir.join(HOME));
        args.add(["/home"]);
    }
    args.add(["--proc", "/proc"]);
    if map == IdMap::Host {
        // The kernel lets the host's user 0 set its parameters (`/proc/sys`) by number alone, without any capability.
        args.add(["--remount-ro", "/proc"]);
    }
    args.add(["--dev", "/dev"]);
    args.add([
        "--perms", "1777", "--tmpfs", "/tmp", "--perms", "0755", "--tmpfs", "/run",
    ]);
    args.add(["--perms", "0700", "--dir", &runtime_dir(spec)]);
    if spec.network == ContainerNetwork::Host {
        let file = facts.resolv_conf_is_file.then_some("/etc/resolv.conf");
        for target in RESOLV_CONF_TARGETS.into_iter().chain(file) {
            args.add(["--ro-bind-try", "/etc/resolv.conf", target]);
        }
    }
    for share in &spec.shares {
        args.add(["--ro-bind"]);
        args.path(&share.from);
        args.path(&share.to);
    }
}

fn environment(args: &mut Args, spec: &ContainerSpec) {
    args.add(["--clearenv"]);
    let home = spec.user.home.to_string_lossy();
    let shell = spec.user.shell.to_string_lossy();
    let runtime_dir = runtime_dir(spec);
    let own = [
        ("HOME", &*home),
        ("LOGNAME", &spec.user.name),
        (
            "PATH",
            "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
        ),
        ("SHELL", &shell),
        ("USER", &spec.user.name),
        ("XDG_RUNTIME_DIR", &runtime_dir),
        ("container", "gobag"),
    ];
    let given = spec.environment.iter().map(|(name, value)| (&**name, &**value));
    for (name, value) in own.into_iter().chain(given) {
        args.add(["--setenv", name, value]);
    }
}

fn runtime_dir(spec: &ContainerSpec) -> String {
    format!("/run/user/{}", spec.user.uid)
}

/// The content of the container's own map of users, as the agent wants it (`_` for a blank, `,` for the end of a line);
/// none when `bwrap` maps the one user itself. Every number means the same inside and outside.
///
/// The kernel wants each line to lie within one line of the outer map, so this has the same two.
pub(super) fn inner_maps(map: IdMap) -> Option<String> {
    match map {
        IdMap::Host => Some(format!("0_0_{ID_COUNT}")),
        IdMap::Ranges { .. } => Some(format!("0_0_1,1_1_{}", ID_COUNT - 1)),
        IdMap::Single => None,
    }
}

#[derive(Default)]
struct Args(Vec<OsString>);

impl Args {
    fn add<const N: usize>(&mut self, texts: [&str; N]) {
        self.0.extend(texts.map(OsString::from));
    }

    fn one(&mut self, text: String) {
        self.0.push(text.into());
    }

    fn path(&mut self, path: &Path) {
        self.0.push(path.into());
    }
}

#[cfg(test)]
mod tests;
