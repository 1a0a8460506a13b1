pub(crate) mod digest;
pub use digest::DigestMismatch;
