//! The line between a member and the company's server: who listens to it, who takes the server's place, and a credential that ends while a pass is under way.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use gobag_format::Silent;
use gobag_protocol::{ids::BundleId, limits::CERTIFICATE_S, people::Reason};
use gobag_server::testing::Site;

use crate::{
    lab::Lab,
    office::{Drawn, Office},
    share::Between,
};

/// Stands between both, hears all that is said, and may be told to speak to another server.
#[derive(Clone, Default)]
struct Relay {
    target: Arc<Mutex<String>>,
    heard: Arc<Mutex<Vec<u8>>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    /// Gives its address.
    fn start(&self, target: &str) -> String {
        self.aim(target);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let relay = self.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let target = relay.target.lock().unwrap().clone();
                let Ok(server) = TcpStream::connect(target) else {
                    continue;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let heard = Arc::clone(&relay.heard);
                    thread::spawn(move || {
                        let mut buffer = [0; 4096];
                        while let Ok(len @ 1..) = from.read(&mut buffer) {
                            heard.lock().unwrap().extend(&buffer[..len]);
                            if to.write_all(&buffer[..len]).is_err() {
                                break;
                            }
                        }
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                relay.open.lock().unwrap().extend([client, server]);
            }
        });
        address
    }

    fn aim(&self, target: &str) {
        *self.target.lock().unwrap() = target.to_owned();
    }

    /// Ends all connections.
    fn cut(&self) {
        for line in self.open.lock().unwrap().drain(..) {
            let _ = line.shutdown(Shutdown::Both);
        }
    }

    fn has_heard(&self, text: &str) -> bool {
        contains(&self.heard.lock().unwrap(), text)
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

fn shared(files: &[(&str, &str)]) -> (Lab, Relay) {
    let relay = Relay::default();
    let office = Office::behind(|site: &Site| relay.start(&site.address()));
    (Lab::shared_at(office, files), relay)
}

/// Whether this is anywhere in the files of a folder.
fn is_kept(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if let Ok(leads) = fs::read_link(&path) {
            return [&leads, &path]
                .iter()
                .any(|path| path.to_string_lossy().contains(text));
        }
        match path.is_dir() {
            true => is_kept(&path, text),
            false => contains(&fs::read(&path).unwrap(), text) || path.to_string_lossy().contains(text),
        }
    })
}

#[test]
fn s56_whoever_listens_sees_neither_names_nor_contents_and_the_server_neither() {
    let (mut lab, relay) = shared(&[("Personnel/Appraisals", "Grace is to be promoted")]);
    lab.write("left", "Personnel/Redundancies.txt", "nobody is to know of this");
    std::os::unix::fs::symlink("Personnel/nowhere", lab.at("left/Shortcut")).unwrap();
    lab.pass();
    lab.write("right", "Personnel/Redundancies.txt", "Ada is to know of this");
    lab.pass();
    let said = [
        "Personnel",
        "Appraisals",
        "Redundancies",
        "Shortcut",
        "nowhere",
        "Grace is to be",
        "is to know of this",
    ];
    assert!(relay.heard.lock().unwrap().len() > 10_000);
    for text in said {
        assert!(!relay.has_heard(text), "{text}");
        assert!(!is_kept(lab.office().site.folder(), text), "{text}");
        // It is looked for in the right way.
        assert!(is_kept(&lab.at("left"), text), "{text}");
    }
}

/// What both have of a long file goes over the line once, also where both have changed it.
#[test]
fn of_a_long_file_that_changes_only_what_differs_goes_over_the_line() {
    const LEN: usize = 3 << 20;
    let (mut lab, relay) = shared(&[]);
    let mut bytes = vec![0; LEN];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    let change = |bytes: &[u8], at: usize| {
        let mut changed = bytes.to_vec();
        changed[at..at + 4096].fill(at as u8);
        changed
    };
    let heard = || std::mem::take(&mut *relay.heard.lock().unwrap()).len();
    fs::write(lab.at("left/long"), &bytes).unwrap();
    lab.pass();
    assert!(heard() > 2 * LEN);
    let ours = change(&bytes, 100_000);
    fs::write(lab.at("left/long"), &ours).unwrap();
    lab.pass();
    let both_ways = heard();
    assert_eq!(fs::read(lab.at("right/long")).unwrap(), ours);
    let (mine, theirs) = (change(&ours, 1_000_000), change(&ours, 2_000_000));
    fs::write(lab.at("left/long"), &mine).unwrap();
    fs::write(lab.at("right/long"), &theirs).unwrap();
    lab.pass();
    let conflict = heard();
    for side in ["left", "right"] {
        let found = fs::read_dir(lab.at(side))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let files = found.filter(|path| path.is_file());
        let texts: BTreeSet<_> = files.map(|path| fs::read(path).unwrap()).collect();
        assert!(
            texts.len() == 2 && texts.contains(&mine) && texts.contains(&theirs),
            "{side}"
        );
    }
    println!("a change, sent and got: {both_ways} bytes; both of two: {conflict}");
    assert!(
        both_ways < 250_000 && conflict < 500_000,
        "{both_ways} {conflict}"
    );
}

#[test]
fn s56_who_takes_the_server_s_place_hears_nothing_and_changes_nothing() {
    let (mut lab, relay) = shared(&[("a", "1")]);
    let (other, store) = (Site::start(), Arc::new(lab.store("left")));
    lab.write("left", "Personnel", "nobody is to know of this");
    relay.aim(&other.address());
    relay.cut();
    relay.heard.lock().unwrap().clear();
    let options = lab.options();
    let refused = lab.pair_by("left", store).unwrap().pass(&options, &Silent);
    let code = refused.unwrap_err().code();
    assert!(
        ["workspace.offline", "workspace.refused"].contains(&code),
        "{code}"
    );
    // Whoever comes for the first time is told.
    let office = lab.office();
    let mut member = office.member(&lab.at("left.member"), 1);
    let told = member.connect(office.site.clock.now_s(), &Default::default(), &Drawn);
    assert_eq!(told.err().unwrap().code(), "client.other-server");
    assert!(!relay.heard.lock().unwrap().is_empty());
    for text in ["Personnel", "is to know", "sales"] {
        assert!(!relay.has_heard(text), "{text}");
    }
    assert_eq!(lab.tree("left"), "Personnel=nobody is to know of this a=1");
    relay.aim(&lab.office().site.address());
    relay.cut();
    lab.pass();
}

/// Between any two calls of a pass `end` ends what the member is let in by; after that, `mend` is done by whoever it is up to.
fn ends_anywhere(end: impl Fn(&Lab) -> Box<dyn FnOnce() + Send>, mend: impl Fn(&Lab), code: &str) {
    let (mut lab, relay) = shared(&[("a", "1"), ("d/b", "2")]);
    let mut ended = 0;
    for calls in 0.. {
        let (mine, theirs) = (format!("mine {calls}"), format!("theirs {calls}"));
        lab.write("right", "d/b", &theirs);
        lab.right_pass().unwrap();
        lab.write("left", "a", &mine);
        let between = Arc::new(Between::new(lab.store("left")));
        let (end, relay) = (end(&lab), relay.clone());
        between.after(
            calls,
            Box::new(move || {
                end();
                relay.cut();
            }),
        );
        let options = lab.options();
        let store = Arc::clone(&between);
        let passed = lab.pair_by("left", store).unwrap().pass(&options, &Silent);
        if between.is_waiting() {
            assert!(passed.unwrap().is_in_step());
            break;
        }
        // It may have been after all that mattered.
        if let Err(error) = passed {
            assert_eq!(error.code(), code, "after {calls}: {error:?}");
            ended += 1;
        }
        assert!(
            lab.tree("left").contains(&format!("a={mine}")),
            "{}",
            lab.tree("left")
        );
        mend(&lab);
        let report = lab.pass();
        assert!(report.notices.is_empty(), "{report:?}");
        assert_eq!(lab.tree("right"), format!("a={mine} d/ d/b={theirs}"));
    }
    assert!(ended > 2, "{ended}");
}

#[test]
fn s53_a_certificate_that_runs_out_in_a_pass_is_renewed_by_the_next() {
    let run_out = |lab: &Lab| -> Box<dyn FnOnce() + Send> {
        let clock = lab.office().site.clock.clone();
        Box::new(move || clock.advance(CERTIFICATE_S + 10))
    };
    ends_anywhere(run_out, |_| {}, "workspace.refused");
}

#[test]
fn s53_a_member_that_is_revoked_in_a_pass_is_told_and_goes_on_when_it_may() {
    let member = BundleId([1; 16]);
    let revoke = |lab: &Lab| -> Box<dyn FnOnce() + Send> {
        let company = lab.office().operator();
        Box::new(move || company.revoke(member, Reason::Lost).unwrap())
    };
    let restore = |lab: &Lab| lab.office().operator().restore(member).unwrap();
    ends_anywhere(revoke, restore, "workspace.refused");
}
