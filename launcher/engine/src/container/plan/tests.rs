//! The whole command lines, for each of the three ways to map users.

use super::*;
use crate::container::{Share, User};

fn spec() -> ContainerSpec {
    ContainerSpec {
        system: VolumeSource {
            image: "/media/office image/system".into(),
            read_only: false,
        },
        home: Some(VolumeSource {
            image: "/media/office image/home".into(),
            read_only: false,
        }),
        user: User {
            name: "ann".to_owned(),
            uid: 1000,
            gid: 1001,
            home: "/home/ann".into(),
            shell: "/bin/bash".into(),
        },
        command: Vec::new(),
        network: ContainerNetwork::Off,
        environment: vec![("TERM".to_owned(), "xterm".to_owned())],
        shares: Vec::new(),
        hostname: "office".to_owned(),
        terminal: false,
        run_dir: "/run/gobag".into(),
    }
}

fn tools() -> Tools {
    Tools {
        sh: "/bin/sh".into(),
        unshare: "/usr/bin/unshare".into(),
        nsenter: "/usr/bin/nsenter".into(),
        setsid: "/usr/bin/setsid".into(),
        bwrap: "/usr/bin/bwrap".into(),
        fuse2fs: Some("/usr/bin/fuse2fs".into()),
    }
}

const RANGES: IdMap = IdMap::Ranges {
    first_user: 100_000,
    first_group: 200_000,
};
const SEEN: Facts = Facts {
    resolv_conf_is_file: true,
    user_home_exists: true,
};

fn command_line(spec: &ContainerSpec, map: IdMap, facts: Facts) -> String {
    let fds = Fds {
        status: 7,
        block: inner_maps(map).map(|_| 8),
        info: 6,
        seccomp: 9,
    };
    let (program, args) = enter(spec, &tools(), map, 42, fds, facts);
    let mut line = program.display().to_string();
    for arg in args {
        line.push(' ');
        line.push_str(arg.to_str().unwrap());
    }
    line
}

/// What `bwrap` gets after the options for its descriptors.
const CONTAINER: &str = "--uid 1000 --gid 1001 --hostname office --cap-drop ALL --die-with-parent --seccomp 9 \
    --bind /run/gobag/system / --bind /run/gobag/home /home --proc /proc --dev /dev \
    --perms 1777 --tmpfs /tmp --perms 0755 --tmpfs /run --perms 0700 --dir /run/user/1000 \
    --clearenv --setenv HOME /home/ann --setenv LOGNAME ann \
    --setenv PATH /usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin --setenv SHELL /bin/bash \
    --setenv USER ann --setenv XDG_RUNTIME_DIR /run/user/1000 --setenv container gobag --setenv TERM xterm \
    --chdir /home/ann -- /bin/bash -l";
const UNSHARE: &str =
    "--unshare-user --unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try --unshare-net";

#[test]
fn root_enters_the_mount_namespace_and_becomes_the_user() {
    let container = CONTAINER.replace("--proc /proc", "--proc /proc --remount-ro /proc");
    let expected = format!(
        "/usr/bin/nsenter --mount=/proc/42/ns/mnt --pid=/proc/42/ns/pid_for_children --setuid=1000 --setgid=1001 \
         -- /usr/bin/bwrap {UNSHARE} --userns-block-fd 8 --info-fd 6 --json-status-fd 7 {container}"
    );
    assert_eq!(command_line(&spec(), IdMap::Host, SEEN), expected);
    assert_eq!(inner_maps(IdMap::Host).unwrap(), "0_0_65536");
}

#[test]
fn with_ranges_the_user_is_another_one_than_the_caller() {
    let expected = format!(
        "/usr/bin/nsenter --user=/proc/42/ns/user --mount=/proc/42/ns/mnt --pid=/proc/42/ns/pid_for_children \
         --setuid=1000 --setgid=1001 -- /usr/bin/bwrap {UNSHARE} --userns-block-fd 8 --info-fd 6 --json-status-fd 7 {CONTAINER}"
    );
    assert_eq!(command_line(&spec(), RANGES, SEEN), expected);
    assert_eq!(inner_maps(RANGES).unwrap(), "0_0_1,1_1_65535");
}

#[test]
fn alone_the_caller_is_the_user_and_bwrap_maps_that() {
    let expected = format!(
        "/usr/bin/nsenter --user=/proc/42/ns/user --mount=/proc/42/ns/mnt --pid=/proc/42/ns/pid_for_children \
         --preserve-credentials -- /usr/bin/bwrap {UNSHARE} --json-status-fd 7 {CONTAINER}"
    );
    assert_eq!(command_line(&spec(), IdMap::Single, SEEN), expected);
    assert_eq!(inner_maps(IdMap::Single), None);
}

#[test]
fn a_terminal_gets_a_session_of_its_own() {
    let line = command_line(
        &ContainerSpec {
            terminal: true,
            ..spec()
        },
        RANGES,
        SEEN,
    );
    assert!(
        line.starts_with("/usr/bin/setsid --ctty --wait /usr/bin/nsenter --user="),
        "{line}"
    );
}

#[test]
fn what_differs_is_where_it_should_be() {
    let missing = Facts {
        resolv_conf_is_file: false,
        user_home_exists: false,
    };
    let mut other = spec();
    other.system.read_only = true;
    other.home = None;
    other.network = ContainerNetwork::Host;
    other.command = vec!["/bin/sh".into(), "-c".into(), "two words".into()];
    other.shares = vec![Share {
        from: "/run/user/1000/wayland-0".into(),
        to: "/run/user/1000/wayland-0".into(),
    }];
    let line = command_line(&other, RANGES, missing);
    assert!(
        line.contains(" --ro-bind /run/gobag/system / --proc /proc "),
        "{line}"
    );
    assert!(
        !line.contains("--unshare-net") && !line.contains("/run/gobag/home"),
        "{line}"
    );
    assert!(
        line.contains("--ro-bind-try /etc/resolv.conf /run/systemd/resolve/stub-resolv.conf "),
        "{line}"
    );
    assert!(
        !line.contains("--ro-bind-try /etc/resolv.conf /etc/resolv.conf "),
        "{line}"
    );
    assert!(
        line.contains(" --ro-bind /run/user/1000/wayland-0 /run/user/1000/wayland-0 "),
        "{line}"
    );
    assert!(line.ends_with(" --chdir / -- /bin/sh -c two words"), "{line}");
    assert!(
        command_line(
            &ContainerSpec {
                network: ContainerNetwork::Host,
                ..spec()
            },
            RANGES,
            SEEN
        )
        .contains("--ro-bind-try /etc/resolv.conf /etc/resolv.conf ")
    );
}

#[test]
fn root_mounts_with_the_kernel_and_others_with_fuse2fs() {
    let mut spec = spec();
    spec.system.read_only = true;
    let of = |map| mounts(&spec, &tools(), map);
    let root = of(IdMap::Host);
    assert_eq!(root.len(), 2);
    assert_eq!(
        (root[0].name, root[0].options.as_str()),
        ("system", "loop,nosuid,nodev,ro")
    );
    assert_eq!(
        (root[1].name, root[1].options.as_str()),
        ("home", "loop,nosuid,nodev,rw")
    );
    assert_eq!(root[0].fuse2fs, None);
    let user = of(IdMap::Single);
    assert_eq!(user[0].options, "ro,allow_other,default_permissions,fakeroot");
    assert_eq!(user[1].options, "rw,allow_other,default_permissions,fakeroot");
    assert_eq!(user[1].fuse2fs, Some("/usr/bin/fuse2fs".into()));
}

#[test]
fn the_agent_gets_paths_as_arguments_and_not_as_script() {
    let mounts = mounts(&spec(), &tools(), RANGES);
    let args = crate::container::unshare_args(Path::new("/bin/sh"), true, Path::new("/run/gobag"), &mounts);
    let args: Vec<&str> = args.iter().map(|arg| arg.to_str().unwrap()).collect();
    let before = [
        "--user",
        "--keep-caps",
        "--mount",
        "--propagation=private",
        "--pid",
        "--fork",
    ];
    assert_eq!(args[..6], before);
    assert_eq!(args[6..10], ["--kill-child=SIGKILL", "--", "/bin/sh", "-c"]);
    let options = "rw,allow_other,default_permissions,fakeroot";
    assert_eq!(args[11..13], ["gobag-agent", "/run/gobag"]);
    assert_eq!(
        args[13..17],
        [
            "/usr/bin/fuse2fs",
            "/media/office image/system",
            "system",
            options
        ]
    );
    assert_eq!(
        args[17..],
        ["/usr/bin/fuse2fs", "/media/office image/home", "home", options]
    );
}
