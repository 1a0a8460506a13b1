//! Real guests in the real QEMU: a Debian kernel with busybox as its whole system.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accelerate;
mod console;
mod flaky;
mod initrd;
mod kernel;
mod kinds;
mod live;
mod machine;
mod orphan;
mod pulled;
mod require;
