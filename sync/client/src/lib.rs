//! The network, client side: what sticks and people ask of the company's server (`docs/sync-protocol.md`, sections 3 and 4). Blocking, for threads.
//!
//! * [`client`]: connections to one server; [`requests`]: one method for each request of a stick, [`owner`]: of its objects and lines, and of those that it
//!   shares; [`people`]: of people
//! * `direct`: objects from the company's bucket itself, where the server says so
//! * [`error`]: what can go wrong, and whether asking again helps
//! * [`retry`]: when to ask again; [`pace`]: how fast bytes leave, and the end of all waiting
//! * [`tls`]: TLS 1.3 with the organisation's CA as the only root (but for the bucket), and the stick's own key
//!
//! Knows neither sticks nor terminals, keeps nothing, and believes nothing about the time of day that a server says. What a server
//! answers has an end: every answer is read up to a limit.

pub mod client;
mod direct;
pub mod error;
pub mod owner;
mod pace;
pub mod people;
pub mod requests;
pub mod retry;
pub mod tls;

pub use client::{Client, Options};
pub use error::{ClientError, Refused};
pub use owner::Owner;
pub use pace::UploadLimit;
pub use people::People;
pub use requests::Memory;
pub use retry::Backoff;
pub use tls::Identity;
