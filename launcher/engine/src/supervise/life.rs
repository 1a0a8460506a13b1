//! What counts as a sign of life of a guest.
//!
//! Firmware and boot loaders are none: they run in real mode or on identity-mapped memory below 4 GiB, on the serial
//! port they are as talkative as a kernel, and an emulation that is a thousand times too slow for a kernel carries them
//! well (seen: a guest that printed "Probing EDD" and then unpacked its kernel for minutes). A kernel that runs is one
//! that has its own page tables and lives in the upper half of the address space, as Linux, Windows and the BSDs do on
//! 64 and on 32 bits. So the sign is the first processor's instruction pointer.

use serde_json::json;

use crate::{
    limits::QMP_DEADLINE,
    qmp::{Client, QmpError},
};

/// What the look at a guest showed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Its kernel runs.
    Alive,
    /// Nothing yet.
    None,
    /// It stands still for ever: QEMU's run state.
    Broken(String),
}

/// Looks at the guest's state and processor.
pub(super) fn look(client: &Client) -> Result<Sign, QmpError> {
    let status = client.execute("query-status", json!({}), QMP_DEADLINE)?;
    if let Some(state @ "internal-error") = status["status"].as_str() {
        return Ok(Sign::Broken(format!("qemu reports {state}")));
    }
    let command = json!({"command-line": "info registers"});
    let answer = client.execute("human-monitor-command", command, QMP_DEADLINE)?;
    let registers = answer.as_str().unwrap_or_default();
    Ok(match is_kernel(registers) {
        Some(true) => Sign::Alive,
        _ => Sign::None,
    })
}

/// Whether these registers are those of a running kernel.
fn is_kernel(registers: &str) -> Option<bool> {
    const CR0_PAGING: u64 = 1 << 31;
    let hex = |name: &str| {
        let word = registers
            .split_whitespace()
            .find_map(|word| word.strip_prefix(name))?;
        u64::from_str_radix(word, 16).ok()
    };
    if hex("CR0=")? & CR0_PAGING == 0 {
        return Some(false);
    }
    match hex("RIP=") {
        Some(address) => Some(address >= 1 << 63),
        // A 32-bit guest. Its kernel begins at 2 or 3 GiB; firmware in flash lies in the last 16 MiB.
        None => Some((0x8000_0000..0xff00_0000).contains(&hex("EIP=")?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_told_from_firmware() {
        let registers = |ip: &str, cr0: &str| {
            format!(
                "RAX=0000000000000000\nR15=0000000000000000\n{ip} RFL=00000046 [---Z-P-] CPL=0\nCR0={cr0} CR2=0\n"
            )
        };
        for (ip, cr0, kernel) in [
            ("RIP=ffffffff81e3c2ab", "80050033", Some(true)),
            ("RIP=fffff80312345678", "80050031", Some(true)),
            // unpacking itself; OVMF; a user program
            ("RIP=000000000431c434", "80050033", Some(false)),
            ("RIP=000000007f8c1000", "80010033", Some(false)),
            ("RIP=00007f1234567890", "80050033", Some(false)),
            ("EIP=c1234567", "80050033", Some(true)),
            ("EIP=fffffff0", "60000010", Some(false)),
            ("EIP=000fd0a2", "00000011", Some(false)),
            ("EIP=fffcc000", "80000033", Some(false)),
            ("", "80050033", None),
        ] {
            assert_eq!(is_kernel(&registers(ip, cr0)), kernel, "{ip} {cr0}");
        }
        assert_eq!(is_kernel("unknown command"), None);
    }
}
