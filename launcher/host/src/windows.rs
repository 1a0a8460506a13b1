//! Windows: what protects it, from queries whose answers are small documents.
//!
//! On Windows nearly nothing is a file or a program's output: the answers come from COM, the service manager and the registry.
//! `live` asks, and only it is for Windows alone; it writes each answer down as a document ([`documents`]), so a recording made
//! on Windows is read, and its parsers are tested, on any computer.
//!
//! What must stay true: nothing here asks for the administrator's rights; no text that Windows translates is compared; a number
//! that is not in the documentation is unknown; and unknown is never taken for good.

mod documents;
mod drives;
mod firewall;
mod firmware;
#[cfg(windows)]
pub(crate) mod gather;
mod genuine;
#[cfg(any(windows, test))]
pub(crate) mod hypervisor;
#[cfg(windows)]
pub(crate) mod live;
mod products;
mod security_center;
mod system;
#[cfg(test)]
mod tests;
mod updates;

use gobag_checklists::Fact;

use self::documents as query;
use crate::capture::Host;
use crate::probe::Probes;

/// What is looked at on Windows.
pub(crate) static PROBES: Probes = Probes {
    operating_system: system::operating_system,
    cpu: |_| Fact::unknown("not looked at on Windows yet"),
    memory: |_| Fact::unknown("not looked at on Windows yet"),
    release: system::release,
    secure_boot: firmware::secure_boot,
    storage: drives::storage,
    confinement: |_| Fact::not_applicable("Windows has no confinement of programs that is on or off"),
    firewall: firewall::probe,
    products: products::probe,
    updates: updates::probe,
    remote_control: |_| Fact::unknown("not looked at on Windows yet"),
    screen_lock: system::screen_lock,
    clock: |_| Fact::unknown("not looked at on Windows yet"),
    stick: |_| Fact::unknown("not looked at on Windows yet"),
    power: system::power,
    network: |_| Fact::unknown("not looked at on Windows yet"),
};

/// Windows Server has other interfaces than a PC.
fn is_server(host: &dyn Host) -> Result<bool, String> {
    let version: query::Version = host.query(query::VERSION).json()?;
    match version.product_type {
        1 => Ok(false),
        2 | 3 => Ok(true),
        other => Err(format!(
            "Windows says that it is of kind {other}, which is not known"
        )),
    }
}
