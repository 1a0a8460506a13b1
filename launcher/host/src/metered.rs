//! Whether bytes cost something on the network in use, as far as the system has been told or guesses.

/// What the network in use costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkCost {
    /// It costs by the byte, or the system guesses so: a telephone's hotspot.
    Metered,
    /// It does not, or the system guesses so.
    Free,
    /// Nobody knows: no NetworkManager, or a system that is not asked (Windows, macOS).
    Unknown,
}

/// Asks the system; takes as long as two answers on its bus, at most about two seconds.
#[cfg(target_os = "linux")]
#[must_use]
pub fn network_cost() -> NetworkCost {
    crate::linux::network_cost(|query| crate::linux::query::ask(None, query))
}

/// This system is not asked.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn network_cost() -> NetworkCost {
    NetworkCost::Unknown
}
