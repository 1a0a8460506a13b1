//! Two Syncthing daemons that keep a folder the same and know of nobody else.
//!
//! Each has a home of its own. They find each other by address alone: the near one calls the far one over a line, and the connection stays. Nothing is
//! watched, nothing looked through by the clock: the near one looks when it is told to. All of this is asked for and waited for through their REST interface,
//! which says by its events when to ask again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::daemon::{Daemon, free_address, right};
use super::relay::Relay;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// The folder's name between them.
const FOLDER: &str = "bench";
/// How long anything may take, and how long one question waits for an event; seconds.
const PATIENCE_S: u64 = 600;
const EVENT_S: u64 = 30;

/// Both of them.
pub(super) struct Syncthing {
    near: Node,
    far: Node,
}

impl Syncthing {
    /// Starts both with folders that are empty yet, and lays the line that all they say to each other goes over.
    pub(super) fn start(folder: &Path) -> Result<(Self, Relay)> {
        let top = folder.join("syncthing");
        let near = Home::make(&top.join("near"), &top.join("left"))?;
        let far = Home::make(&top.join("far"), &right(folder, "syncthing"))?;
        let address = free_address()?;
        let relay = Relay::lay(&address)?;
        // The far one does not call: it is not told where the near one is.
        far.configure(&address, &near, "dynamic")?;
        near.configure("127.0.0.1:0", &far, &format!("tcp://{}", relay.address))?;
        let far = Node::start(far)?;
        let near = Node::start(near)?;
        let both = Self { near, far };
        both.near.scan()?;
        both.far.scan()?;
        both.until("DeviceConnected", || {
            let known = both.near.get("system/connections")?;
            Ok(known["connections"][&both.far.home.device]["connected"] == true)
        })?;
        Ok((both, relay))
    }

    /// Has the near one look through its folder, and waits until it knows that the far one has all that is there.
    pub(super) fn pass(&self) -> Result<()> {
        let question = format!("db/completion?folder={FOLDER}&device={}", self.far.home.device);
        let before = self.near.get(&question)?;
        self.near.scan()?;
        self.until("RemoteIndexUpdated", || {
            Ok(is_complete(&before, &self.near.get(&question)?))
        })
    }

    /// Asks the near one until it is so; each time it waits for such an event of it before it asks again.
    fn until(&self, event: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
        let begun = Instant::now();
        // What comes between this and the first question is not missed.
        let mut seen = self.near.last_event(event, 0, "limit=1&timeout=0")?;
        while !is_so()? {
            if begun.elapsed() > Duration::from_secs(PATIENCE_S) {
                let said = self.far.get(&format!("folder/errors?folder={FOLDER}"))?;
                let what = format!("Syncthing is not done after {PATIENCE_S} s");
                return Err(Error::because(what, format!("its far end says {said}")));
            }
            let last = self.near.last_event(event, seen, &format!("timeout={EVENT_S}"))?;
            if last == seen {
                // Nothing for so long: perhaps nobody is there any more.
                self.far.get("system/ping")?;
            }
            seen = last;
        }
        Ok(())
    }
}

/// Whether an answer of `db/completion` says that nothing is missing any more, after a change. One that has not said anything yet misses nothing, by that
/// answer: so it must have said more than before, which its sequence number counts.
fn is_complete(before: &Value, answer: &Value) -> bool {
    let [said, says] = [before, answer].map(|answer| answer["sequence"].as_u64());
    says > said && answer["completion"] == 100.0 && answer["needItems"] == 0 && answer["needDeletes"] == 0
}

/// Where a daemon keeps what it is and what it knows.
struct Home {
    folder: PathBuf,
    /// The folder that it keeps the same.
    shared: PathBuf,
    device: String,
    key: String,
}

impl Home {
    /// Makes it with a certificate, whose digest is the daemon's name, and a key to its interface.
    fn make(folder: &Path, shared: &Path) -> Result<Self> {
        disk::make_dir(shared)?;
        Cmd::new("syncthing")
            .args(["generate", "--no-default-folder", "--skip-port-probing", "--home"])
            .arg(folder)
            .env("HOME", folder)
            .text()?;
        let config = disk::read(&folder.join("config.xml"))?;
        let found = |begin, end| {
            let what = format!("Syncthing generated a configuration without {begin}");
            between(&config, begin, end).ok_or_else(|| Error::new(what))
        };
        let home = Self {
            folder: folder.to_owned(),
            shared: shared.to_owned(),
            device: found("<device id=\"", "\"")?.to_owned(),
            key: found("<apikey>", "</apikey>")?.to_owned(),
        };
        // For curl, out of sight of those who list processes: the interface can run programs.
        disk::write(&home.header(), format!("X-API-Key: {}\n", home.key))?;
        disk::set_mode(&home.header(), 0o600)?;
        Ok(home)
    }

    fn header(&self) -> PathBuf {
        self.folder.join("api-key")
    }

    /// It will listen at an address, and know one other and where that is.
    fn configure(&self, listen: &str, other: &Self, at: &str) -> Result<()> {
        let (me, it, shared) = (&self.device, &other.device, self.shared.display());
        // As urgent as the others, which it is not by default; what is not named is as by default.
        let text = format!(
            r#"<configuration version="36">
    <folder id="{FOLDER}" path="{shared}" type="sendreceive" rescanIntervalS="0" fsWatcherEnabled="false">
        <device id="{me}"></device>
        <device id="{it}"></device>
    </folder>
    <device id="{me}"><address>dynamic</address></device>
    <device id="{it}"><address>{at}</address></device>
    <gui enabled="true" tls="false"><address>127.0.0.1:0</address><apikey>{key}</apikey></gui>
    <options>
        <listenAddress>tcp://{listen}</listenAddress>
        <globalAnnounceEnabled>false</globalAnnounceEnabled>
        <localAnnounceEnabled>false</localAnnounceEnabled>
        <relaysEnabled>false</relaysEnabled>
        <natEnabled>false</natEnabled>
        <reconnectionIntervalS>5</reconnectionIntervalS>
        <startBrowser>false</startBrowser>
        <urAccepted>-1</urAccepted>
        <autoUpgradeIntervalH>0</autoUpgradeIntervalH>
        <crashReportingEnabled>false</crashReportingEnabled>
        <setLowPriority>false</setLowPriority>
    </options>
</configuration>
"#,
            key = self.key
        );
        disk::write(&self.folder.join("config.xml"), text)
    }
}

/// A daemon at work.
struct Node {
    home: Home,
    daemon: Daemon,
}

impl Node {
    fn start(home: Home) -> Result<Self> {
        let daemon = Daemon::start(|port| {
            // As if its own monitor had started it: otherwise we would have the monitor, and killing that leaves the daemon.
            Cmd::new("syncthing")
                .args(["serve", "--no-browser", "--no-upgrade", "--home"])
                .arg(&home.folder)
                .arg(format!("--gui-address=127.0.0.1:{port}"))
                .env("STMONITORED", "yes")
                .env("HOME", &home.folder)
        })?;
        Ok(Self { home, daemon })
    }

    /// Looks through its folder, to the end; the first time not before it has done so by itself.
    fn scan(&self) -> Result<()> {
        self.ask("POST", &format!("db/scan?folder={FOLDER}")).map(drop)
    }

    /// The number of the last event of a kind after number `seen`; that itself if there is none.
    fn last_event(&self, kind: &str, seen: u64, how: &str) -> Result<u64> {
        let events = self.get(&format!("events?events={kind}&since={seen}&{how}"))?;
        let last = events.as_array().and_then(|events| events.last());
        Ok(last.and_then(|event| event["id"].as_u64()).unwrap_or(seen))
    }

    fn get(&self, what: &str) -> Result<Value> {
        let said = self.ask("GET", what)?;
        serde_json::from_str(&said)
            .map_err(|cause| Error::because(format!("Syncthing answers {what} with no JSON"), cause))
    }

    fn ask(&self, method: &str, what: &str) -> Result<String> {
        Cmd::new("curl")
            .args(["--silent", "--show-error", "--fail", "--request", method])
            .args(["--max-time", &PATIENCE_S.to_string()])
            .arg("--header")
            .arg(format!("@{}", self.home.header().display()))
            .arg(format!("http://{}/rest/{what}", self.daemon.address))
            .text()
            .map_err(|cause| {
                Error::because("a Syncthing of the bench does not answer as it should", cause)
                    .hint("this is made for Syncthing 1.19; `syncthing --version` says which one is here")
            })
    }
}

/// What stands in a text between the first `begin` and the next `end`.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    rest.split_once(end).map(|(found, _)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_is_who_said_more_and_misses_nothing() {
        let answer = |sequence: u64, percent: f64, items: u64, deletes: u64| {
            serde_json::json!({
                "sequence": sequence, "completion": percent, "needItems": items, "needDeletes": deletes,
            })
        };
        let before = answer(7, 100.0, 0, 0);
        assert!(is_complete(&before, &answer(8, 100.0, 0, 0)));
        for missing in [
            answer(7, 100.0, 0, 0),
            answer(8, 99.9, 1, 0),
            answer(8, 100.0, 1, 0),
            answer(8, 100.0, 0, 1),
            serde_json::json!({}),
        ] {
            assert!(!is_complete(&before, &missing), "{missing}");
        }
    }

    #[test]
    fn a_daemons_name_and_key_are_found() {
        let config = "<device id=\"ABC-DEF\" name=\"vm\">\n<apikey>xyz</apikey>\n<device id=\"\">";
        assert_eq!(between(config, "<device id=\"", "\""), Some("ABC-DEF"));
        assert_eq!(between(config, "<apikey>", "</apikey>"), Some("xyz"));
        assert_eq!(between(config, "<folder id=\"", "\""), None);
    }
}
