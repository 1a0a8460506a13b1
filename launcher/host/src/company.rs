//! Whether the company answers: one connection to the address that IT named, without a word on it.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use gobag_checklists::safety::Reach;
use gobag_checklists::{Fact, Forger, Privilege};

use crate::limits::PROBE_DEADLINE;
use crate::pending::Pending;

/// Of what a name stands for, addresses that are tried.
const MOST_ADDRESSES: usize = 4;

/// Asks, unless `before` says that there is no network. What was known before stays where nobody answers, for the company may be down while the
/// internet is not.
#[must_use]
pub fn reach_company(address: &str, before: Fact<Reach>) -> Fact<Reach> {
    if before.value() == Some(&Reach::Offline) {
        return before;
    }
    let asked = address.to_owned();
    let asked = Pending::start("company", PROBE_DEADLINE, move || probe(&asked)).take();
    match (&asked, &before) {
        (Fact::Unknown { .. }, Fact::Known { .. }) => before,
        _ => asked,
    }
}

fn probe(address: &str) -> Fact<Reach> {
    let until = Instant::now() + PROBE_DEADLINE;
    match connect(address, until) {
        // Whoever rules the network can answer in the company's place; nothing depends on it but a line on a screen.
        Ok(()) => Fact::known(
            Reach::Company,
            format!("a connection to {address}"),
            Privilege::User,
            Forger::User,
        ),
        Err(reason) => Fact::unknown(format!("there is a network; {address} did not answer: {reason}")),
    }
}

fn connect(address: &str, until: Instant) -> Result<(), String> {
    let places = address.to_socket_addrs().map_err(|error| error.to_string())?;
    let mut failed = "the name stands for no address".to_owned();
    let places: Vec<_> = places.take(MOST_ADDRESSES).collect();
    for (tried, place) in places.iter().enumerate() {
        // One that swallows everything leaves the others their share.
        let left = until.saturating_duration_since(Instant::now()) / (places.len() - tried) as u32;
        match TcpStream::connect_timeout(place, left.max(Duration::from_millis(1))) {
            Ok(_) => return Ok(()),
            Err(error) => failed = error.to_string(),
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the test is the company")]

    use std::net::TcpListener;

    use super::*;

    #[test]
    fn who_listens_answers_and_who_does_not_changes_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let internet = || Fact::from_kernel(Reach::Internet, "test");
        let untried = || Fact::unknown("untried");
        assert_eq!(reach_company(&address, internet()).value(), Some(&Reach::Company));
        assert_eq!(reach_company(&address, untried()).value(), Some(&Reach::Company));
        let offline = Fact::from_kernel(Reach::Offline, "test");
        assert_eq!(reach_company(&address, offline).value(), Some(&Reach::Offline));
        drop(listener);
        assert_eq!(reach_company(&address, internet()), internet());
        for nobody in [address.as_str(), "nowhere.invalid:1", "127.0.0.1", "", ":"] {
            let Fact::Unknown { reason } = reach_company(nobody, untried()) else {
                panic!("{nobody} is known");
            };
            assert!(reason.contains("did not answer"), "{reason}");
        }
    }
}
