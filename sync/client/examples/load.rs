//! Many sticks at the company's servers, for `cargo xtask bench company`:
//!
//! ```text
//! load LETTERS EVERY_S SECONDS HISTORY KIB[,KIB…]
//! ```
//!
//! For each enrolment letter in the folder LETTERS a stick enrols, with a key, a certificate and a connection of its own, and makes
//! HISTORY points as fast as it can, each with as many objects as a later one but small. Then it says `ready`, and waits for a line on
//! standard input. From then on each stick syncs every EVERY_S seconds (0: one sync after the other): it asks what is missing, puts objects of
//! noise of so many KiB, and makes a point of them in which the point before is dropped, as replication does. Sticks begin spread over that time, and
//! over the servers that their letters name; one that does not answer is left for the next.
//!
//! Printed at the end, as JSON: syncs, those that failed, seconds, and in milliseconds the median and the 99th percentile of the request that
//! makes the point and of the whole sync.

use std::{
    error::Error,
    fs,
    io::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use gobag_client::{Client, ClientError, Identity, Options};
use gobag_format::{crypto::Key, sign::SigningKey};
use gobag_protocol::{
    bounded::Bounded,
    bytes::Sealed,
    enrol::EnrolRequest,
    ids::{LineName, ObjectId, OrgId, RequestId},
    letter::EnrolmentLetter,
    points::NewPoint,
};
use serde_json::json;

/// Sealed bytes of a head: about what replication's have.
const HEAD_LEN: usize = 2 << 10;
/// Bytes of an object of the history.
const SMALL: usize = 1 << 10;
const ORG: OrgId = OrgId([3; 16]);

type Failed = Box<dyn Error + Send + Sync>;

/// One stick.
struct Stick {
    /// To each server of its letter, the one it is at first.
    clients: Vec<Client>,
    line: LineName,
    /// No two draw the same noise.
    seed: [u8; 16],
    generation: u64,
    last: Vec<ObjectId>,
}

/// What one sync took: making the point, and all of it.
#[derive(Clone, Copy)]
struct Took {
    commit: Duration,
    sync: Duration,
}

impl Stick {
    /// Number `nth` of all.
    fn enrol(letter: &EnrolmentLetter, nth: usize) -> Result<Self, Failed> {
        let mut servers = letter.servers.clone();
        let first = nth % servers.len().max(1);
        servers.rotate_left(first);
        let seed = letter.bundle.0;
        let key = [seed, seed].concat();
        let key = Key::from_bytes(key.try_into().map_err(|_| "a key of another length")?);
        let key = Arc::new(SigningKey::from_seed(&key));
        let nobody = Client::new(&servers[0], &letter.ca, None, Options::default())?;
        let request = EnrolRequest::sign(letter.token.clone(), letter.bundle, ORG, &key);
        let certificate = nobody.enrol(&request)?.certificate;
        let identity = Identity { certificate, key };
        let clients: Result<_, ClientError> = servers
            .iter()
            .map(|server| Client::new(server, &letter.ca, Some(&identity), Options::default()))
            .collect();
        Ok(Self {
            clients: clients?,
            line: LineName::parse("volumes").ok_or("no name of a line")?,
            seed,
            generation: 0,
            last: Vec::new(),
        })
    }

    /// Asks one server after the other until one answers.
    fn ask<T>(&mut self, ask: impl Fn(&Client) -> Result<T, ClientError>) -> Result<T, ClientError> {
        let mut others = self.clients.len() - 1;
        loop {
            match ask(&self.clients[0]) {
                Err(error) if error.is_transient() && others > 0 => {
                    others -= 1;
                    self.clients.rotate_left(1);
                }
                answer => return answer,
            }
        }
    }

    fn sync(&mut self, lens: &[usize]) -> Result<Took, Failed> {
        let generation = self.generation + 1;
        let started = Instant::now();
        let objects: Vec<(ObjectId, Vec<u8>)> = (0u8..)
            .zip(lens)
            .map(|(number, len)| {
                let mut bytes = vec![0; *len];
                let mut noise = blake3::Hasher::new();
                noise.update(&self.seed).update(&generation.to_le_bytes());
                noise.update(&[number]).finalize_xof().fill(&mut bytes);
                (ObjectId::of(&bytes), bytes)
            })
            .collect();
        let ids: Vec<ObjectId> = objects.iter().map(|(id, _)| *id).collect();
        let missing = self.ask(|client| client.missing(&ids))?;
        for (id, bytes) in objects.iter().filter(|(id, _)| missing.contains(id)) {
            self.ask(|client| client.put(*id, bytes))?;
        }
        let mut request = self.seed;
        request[8..].copy_from_slice(&generation.to_le_bytes());
        let point = NewPoint {
            request: RequestId(request),
            generation,
            after: None,
            complete: true,
            head: Sealed::new(vec![generation as u8; HEAD_LEN])?,
            adds: Bounded::new(ids.clone())?,
            drops: Bounded::new(std::mem::take(&mut self.last))?,
            all_adds: None,
            all_drops: None,
            bookmarks: Bounded::default(),
        };
        let committing = Instant::now();
        let line = self.line.clone();
        self.ask(|client| client.publish(&line, &point))?;
        (self.last, self.generation) = (ids, generation);
        Ok(Took {
            commit: committing.elapsed(),
            sync: started.elapsed(),
        })
    }

    /// Syncs every so often until the time is over; first after `phase`. Returns what each took, and how many failed.
    fn work(&mut self, begun: Instant, plan: &Plan, phase: Duration) -> (Vec<Took>, u64) {
        let (mut took, mut failed, mut due) = (Vec::new(), 0, phase);
        while due < plan.until && begun.elapsed() < plan.until {
            while let Some(wait) = due.checked_sub(begun.elapsed()).filter(|wait| !wait.is_zero()) {
                thread::park_timeout(wait);
            }
            match self.sync(&plan.lens) {
                Ok(one) => took.push(one),
                Err(error) => {
                    tell(&*error);
                    failed += 1;
                }
            }
            due += plan.every;
        }
        (took, failed)
    }
}

/// What all sticks do.
struct Plan {
    every: Duration,
    until: Duration,
    history: u64,
    lens: Vec<usize>,
}

fn main() -> Result<(), Failed> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [letters, every_s, seconds, history, kib] = args.as_slice() else {
        return Err("usage: load LETTERS EVERY_S SECONDS HISTORY KIB[,KIB…]".into());
    };
    let lens: Result<Vec<usize>, _> = kib.split(',').map(|kib| kib.parse::<usize>()).collect();
    let plan = Plan {
        every: Duration::from_secs(every_s.parse()?),
        until: Duration::from_secs(seconds.parse()?),
        history: history.parse()?,
        lens: lens?.into_iter().map(|kib| kib << 10).collect(),
    };
    let mut sticks = enrolled(letters)?;
    let small = vec![SMALL; plan.lens.len()];
    at_once(&mut sticks, |_, stick| {
        (0..plan.history).try_for_each(|_| stick.sync(&small).map(drop))
    })
    .into_iter()
    .collect::<Result<(), Failed>>()?;
    println!("ready");
    io::stdout().flush()?;
    io::stdin().read_line(&mut String::new())?;
    let begun = Instant::now();
    let count = sticks.len();
    let worked = at_once(&mut sticks, |nth, stick| {
        stick.work(begun, &plan, plan.every.mul_f64(nth as f64 / count as f64))
    });
    let elapsed = begun.elapsed();
    let failed: u64 = worked.iter().map(|(_, failed)| failed).sum();
    let took: Vec<Took> = worked.into_iter().flat_map(|(took, _)| took).collect();
    let of = |part: fn(&Took) -> Duration, percent| percentile(took.iter().map(part).collect(), percent);
    let said = json!({
        "sticks": count,
        "syncs": took.len(),
        "failed": failed,
        "seconds": elapsed.as_secs_f64(),
        "commit_p50_ms": of(|took| took.commit, 50),
        "commit_p99_ms": of(|took| took.commit, 99),
        "sync_p50_ms": of(|took| took.sync, 50),
        "sync_p99_ms": of(|took| took.sync, 99),
    });
    println!("{said}");
    Ok(())
}

/// All sticks for which there is a letter, in the order of the letters' names.
fn enrolled(folder: &str) -> Result<Vec<Stick>, Failed> {
    let mut letters = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    letters.sort();
    letters
        .iter()
        .enumerate()
        .map(|(nth, path)| Stick::enrol(&EnrolmentLetter::parse(&fs::read(path)?)?, nth))
        .collect()
}

/// Each stick on a thread of its own.
fn at_once<T: Send>(sticks: &mut [Stick], work: impl Fn(usize, &mut Stick) -> T + Sync) -> Vec<T> {
    let done: Mutex<Vec<T>> = Mutex::default();
    thread::scope(|scope| {
        for (nth, stick) in sticks.iter_mut().enumerate() {
            let (work, done) = (&work, &done);
            scope.spawn(move || {
                let one = work(nth, stick);
                done.lock().unwrap_or_else(PoisonError::into_inner).push(one);
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds that so many of a hundred did not exceed; nothing if there were none.
fn percentile(mut all: Vec<Duration>, percent: usize) -> Option<f64> {
    all.sort_unstable();
    let at = all.len().checked_sub(1)? * percent / 100;
    Some(all[at].as_secs_f64() * 1000.0)
}

fn tell(error: &dyn Error) {
    // Nobody may be left to hear it.
    let _ = writeln!(io::stderr(), "a sync failed: {error}");
}
