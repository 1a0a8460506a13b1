//! The system calls that a program in a container has no business with, as a seccomp filter.
//!
//! A list of what is refused, not of what is allowed: a desktop's programs use nearly everything, and what they may do is
//! bounded by the namespaces and by having no capability at all. The filter closes what neither of the two covers, or
//! what has a bad record: making further user namespaces (each of which brings the kernel's privileged code within
//! reach), pushing input into the terminal, the kernel's keyrings, `bpf`, `io_uring`, `userfaultfd`, modules, clocks.
//!
//! Where newer calls take their flags through memory, which a filter cannot see (`clone3`, the new mount calls), the
//! answer is "no such system call", so that the C library falls back to the old one, which can be judged.

/// One instruction of the kernel's classic BPF: code, jump if true, jump if false, operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    operand: u32,
}

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// Offsets in `struct seccomp_data`. Of an argument only the low half is looked at: it is all that the kernel looks at for
// the flags and requests here, so the high half must not be able to hide one.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENT_0: u32 = 16;
const ARGUMENT_1: u32 = 24;

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;
const ERROR: u32 = 0x0005_0000;
const NOT_PERMITTED: u32 = ERROR | libc::EPERM as u32;
const NO_SUCH_CALL: u32 = ERROR | libc::ENOSYS as u32;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;
/// Set in the number of a call through the x32 interface, which has numbers of its own for the same calls.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

const REFUSED: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mount,
    libc::SYS_move_pages,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

const ABSENT: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
];

/// The filter.
pub(crate) fn program() -> Vec<Instruction> {
    let mut program = vec![
        load(ARCHITECTURE),
        skip_if_equal(NATIVE, 1),
        give_back(KILL),
        load(NUMBER),
    ];
    #[cfg(target_arch = "x86_64")]
    program.extend([unless_any_bit(X32, 1), give_back(NO_SUCH_CALL)]);
    for (calls, verdict) in [(REFUSED, NOT_PERMITTED), (ABSENT, NO_SUCH_CALL)] {
        for &call in calls {
            program.extend([unless_equal(number(call), 1), give_back(verdict)]);
        }
    }
    program.extend([
        unless_equal(number(libc::SYS_clone), 4),
        load(ARGUMENT_0),
        unless_any_bit(libc::CLONE_NEWUSER as u32, 1),
        give_back(NOT_PERMITTED),
        give_back(ALLOW),
        unless_equal(number(libc::SYS_ioctl), 5),
        load(ARGUMENT_1),
        unless_equal(libc::TIOCSTI as u32, 1),
        give_back(NOT_PERMITTED),
        unless_equal(libc::TIOCLINUX as u32, 1),
        give_back(NOT_PERMITTED),
        give_back(ALLOW),
    ]);
    program
}

/// The filter as the kernel and `bwrap --seccomp` read it.
pub(crate) fn bytes() -> Vec<u8> {
    let mut bytes = Vec::new();
    for instruction in program() {
        bytes.extend(instruction.code.to_ne_bytes());
        bytes.extend([instruction.if_true, instruction.if_false]);
        bytes.extend(instruction.operand.to_ne_bytes());
    }
    bytes
}

fn number(call: i64) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

fn load(offset: u32) -> Instruction {
    instruction(LOAD, 0, 0, offset)
}

fn give_back(verdict: u32) -> Instruction {
    instruction(RETURN, 0, 0, verdict)
}

/// Passes over the next `count` instructions if what was loaded is `operand`.
fn skip_if_equal(operand: u32, count: u8) -> Instruction {
    instruction(EQUAL, count, 0, operand)
}

/// Passes over the next `count` instructions unless what was loaded is `operand`.
fn unless_equal(operand: u32, count: u8) -> Instruction {
    instruction(EQUAL, 0, count, operand)
}

/// Passes over the next `count` instructions unless what was loaded has a bit of `operand` set.
fn unless_any_bit(operand: u32, count: u8) -> Instruction {
    instruction(ANY_BIT, 0, count, operand)
}

fn instruction(code: u16, if_true: u8, if_false: u8, operand: u32) -> Instruction {
    Instruction {
        code,
        if_true,
        if_false,
        operand,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel would, over a call with its arguments.
    fn judge(architecture: u32, call: i64, arguments: [u64; 2]) -> u32 {
        let program = program();
        let (mut at, mut loaded) = (0, 0);
        loop {
            let Instruction {
                code,
                if_true,
                if_false,
                operand,
            } = program[at];
            at += 1;
            let skip = |yes: bool| usize::from(if yes { if_true } else { if_false });
            match code {
                LOAD => {
                    loaded = match operand {
                        NUMBER => number(call),
                        ARCHITECTURE => architecture,
                        ARGUMENT_0 => arguments[0] as u32,
                        ARGUMENT_1 => arguments[1] as u32,
                        other => panic!("load from {other}"),
                    }
                }
                EQUAL => at += skip(loaded == operand),
                ANY_BIT => at += skip(loaded & operand != 0),
                RETURN => return operand,
                other => panic!("code {other}"),
            }
        }
    }

    #[test]
    fn ordinary_calls_pass() {
        for call in [
            libc::SYS_read,
            libc::SYS_openat,
            libc::SYS_execve,
            libc::SYS_ptrace,
            libc::SYS_socket,
        ] {
            assert_eq!(judge(NATIVE, call, [0, 0]), ALLOW, "{call}");
        }
        assert_eq!(judge(NATIVE, libc::SYS_clone, [libc::CLONE_VM as u64, 0]), ALLOW);
        assert_eq!(judge(NATIVE, libc::SYS_ioctl, [0, libc::TCGETS]), ALLOW);
    }

    #[test]
    fn listed_calls_are_refused() {
        for &call in REFUSED {
            assert_eq!(judge(NATIVE, call, [0, 0]), NOT_PERMITTED, "{call}");
        }
        for &call in ABSENT {
            assert_eq!(judge(NATIVE, call, [0, 0]), NO_SUCH_CALL, "{call}");
        }
    }

    #[test]
    fn arguments_are_judged_by_their_low_half() {
        let high = 1 << 32;
        let user = libc::CLONE_NEWUSER as u64;
        assert_eq!(
            judge(NATIVE, libc::SYS_clone, [high | user | 17, 0]),
            NOT_PERMITTED
        );
        assert_eq!(
            judge(NATIVE, libc::SYS_ioctl, [0, high | libc::TIOCSTI]),
            NOT_PERMITTED
        );
        assert_eq!(
            judge(NATIVE, libc::SYS_ioctl, [0, libc::TIOCLINUX]),
            NOT_PERMITTED
        );
    }

    #[test]
    fn other_interfaces_of_the_kernel_are_closed() {
        assert_eq!(judge(NATIVE ^ 1, libc::SYS_read, [0, 0]), KILL);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(
            judge(NATIVE, libc::SYS_mount | i64::from(X32), [0, 0]),
            NO_SUCH_CALL
        );
    }
}
