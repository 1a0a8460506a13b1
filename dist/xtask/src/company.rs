//! `cargo xtask company`: a guest at work is kept in step with a real server, its stick is lost, and another one takes its place.
//!
//! The stick is enrolled by IT's letter; the guest writes while it runs, everything arrives, and a name is given to a moment. Then the
//! launcher is killed and the stick revoked. A new stick gets the moment of that name and starts: the file of then is there, the later one
//! is not; before that it comes up once from the server's store alone. The lost stick, started once more, erases itself.
//!
//! Meanwhile the server's database is lost and put back from an older backup, and later a server is killed. With `--server postgres` there are
//! two servers on PostgreSQL and a bucket, and the one that is killed stays away. With `--network bad` the line in between loses 2 % of its
//! packets and stands still for 20 s in every minute.
//!
//! Optional: several minutes of emulated Debian.

mod line;
mod server;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cargo::cargo;
use crate::clock::now_s;
use crate::demo::EPOCH;
use crate::demo::guest::{BOOT_LIMIT, Workstation};
use crate::demo::scene::{Scene, answer, expect, must_say};
use crate::demo::{golden, office};
use crate::disk;
use crate::error::{Error, Result};
use crate::packages;
use crate::programs;
use crate::steps::{Steps, seconds};

use server::{Kind, Server};

const USAGE: &str = "usage: cargo xtask company [--server postgres | --network bad] [--no-build]";
/// What the guest has written before the server loses it, when the moment is named, and after.
const BEFORE: &str = "the offer as it was begun";
const THEN: &str = "the offer as it went out";
const AFTER: &str = "the offer as nobody wanted it";
const NAME: &str = "before the update";
/// Patience for what replication does beside an emulated guest.
const STEP_LIMIT: Duration = Duration::from_secs(300);
const COMMAND_LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    kind: Kind,
    bad_network: bool,
    no_build: bool,
}

pub(crate) fn run(args: &[&str]) -> Result<()> {
    let asked = parse(args)?;
    let mut steps = Steps::new();
    let ready = steps.step("packages", || packages::ensure().map(|new| new.join(" ")))
        && (asked.no_build || steps.step("programs", build));
    if ready {
        play(&mut steps, &asked);
    }
    steps.finish("company")
}

fn play(steps: &mut Steps, asked: &Asked) {
    let mut golden = None;
    let made = steps.step("golden disk", || {
        let made = golden::ensure(false)?;
        let summary = made.summary();
        golden = Some(made);
        Ok(summary)
    });
    let (Some(golden), true) = (golden, made) else {
        return;
    };
    let scene = match Scene::set(disk::target().join("company/scene")) {
        Ok(scene) => scene,
        Err(error) => {
            steps.step("stage", || Err(error));
            return;
        }
    };
    let mut server = None;
    let started = steps.step("organisation", || office::init(&scene))
        && steps.step("image", || office::build(&scene, &golden.tar))
        && steps.step("stick", || {
            office::stick(&scene, "alice").map(|()| "one stick for alice".to_owned())
        })
        && steps.step("server", || {
            let running = Server::start(&scene, asked.kind, asked.bad_network)?;
            let summary = running.summary();
            server = Some(running);
            Ok(summary)
        });
    let (Some(server), true) = (&server, started) else {
        return;
    };
    let _ = steps.step("enrolment", || enrol(&scene, server))
        && steps.step("work", || work(&scene, server))
        && steps.step("lost", || server.revoke(&scene, &number(&scene, "alice")?))
        && steps.step("drill", || drill(&scene, server))
        && steps.step("recovery", || recover(&scene, server))
        && steps.step("as it was", || as_it_was(&scene))
        && steps.step("cut off", || cut_off(&scene));
}

fn build() -> Result<String> {
    let server = cargo(&["build", "--release", "--locked", "--package", "gobag-server"]);
    let built = programs::build(EPOCH)?;
    server.run()?;
    Ok(built)
}

fn enrol(scene: &Scene, server: &Server) -> Result<String> {
    let letter = server.letter(scene, &number(scene, "alice")?)?;
    expect(scene.unlocked("alice", "enrol").arg(&letter), 0)?;
    disk::remove(&letter)?;
    Ok("the stick knows the company, and the company the stick".to_owned())
}

/// The guest works; everything arrives, also at a server put back from its backup; a moment is named; then the launcher is killed in the
/// middle of later work.
fn work(scene: &Scene, server: &Server) -> Result<String> {
    let mut guest = Workstation::start(scene, "alice")?;
    guest.until_shell()?;
    let first = Instant::now();
    in_step(scene, 0)?;
    let first = first.elapsed();
    server.back_up()?;
    let arrived = arrives(scene, &mut guest, BEFORE)?;
    server.put_back()?;
    let put_back = arrives(scene, &mut guest, THEN)?;
    let named = now_s();
    let marked = expect(scene.gobag("alice", "mark").arg(NAME), 0)?;
    // By the agent in the guest.
    must_say(&marked, "its file systems stood still")?;
    in_step(scene, named)?;
    // One server goes while the guest works on.
    server.trouble()?;
    arrives(scene, &mut guest, AFTER)?;
    guest.kill()?;
    Ok(format!(
        "first copy {} after the login, a file is with the company after {} (asked for: a minute), after {} where its server was just put back from a backup; \
         then a server was killed",
        seconds(first),
        seconds(arrived),
        seconds(put_back)
    ))
}

/// The guest writes, and the company has it; how long that took.
fn arrives(scene: &Scene, guest: &mut Workstation, text: &str) -> Result<Duration> {
    write(guest, text)?;
    let written = Instant::now();
    in_step(scene, now_s())?;
    Ok(written.elapsed())
}

fn write(guest: &mut Workstation, text: &str) -> Result<()> {
    let command = format!(
        "echo '{text}' > /home/offer.txt && sync /home/offer.txt && echo '{text}' > /root/offer.txt && sync"
    );
    let written = guest.console().must(&command, COMMAND_LIMIT);
    written
        .map(drop)
        .map_err(|error| Error::because("the guest does not write", error))
}

/// What `gobag status` says of the replica.
fn replica(scene: &Scene) -> Result<Value> {
    let said = scene.gobag("alice", "status").arg("--json").output()?.stdout;
    let said: Value = serde_json::from_slice(&said)
        .map_err(|cause| Error::because("`gobag status --json` is no JSON", cause))?;
    Ok(said["sessions"][0]["company"]["replica"].clone())
}

/// Waits until the company has everything that was written until `then_s`, seconds since 1970 UTC.
fn in_step(scene: &Scene, then_s: u64) -> Result<()> {
    let deadline = Instant::now() + STEP_LIMIT;
    loop {
        let replica = replica(scene)?;
        if replica["phase"] == "in-step" && replica["complete_s"].as_u64() > Some(then_s) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Error::because(
                "the company does not come in step",
                replica.to_string(),
            ));
        }
        std::thread::yield_now();
    }
}

/// A stick's number.
fn number(scene: &Scene, user: &str) -> Result<String> {
    let listed = scene
        .image(&["list", "--sticks", "--json", "--org"])
        .arg(scene.org())
        .output()?
        .stdout;
    let listed: Value = serde_json::from_slice(&listed)
        .map_err(|cause| Error::because("`gobag-image list --sticks --json` is no JSON", cause))?;
    let sticks = listed["sticks"].as_array().cloned().unwrap_or_default();
    let stick = sticks.iter().find(|stick| stick["user"] == user);
    stick
        .and_then(|stick| stick["bundle"].as_str().map(str::to_owned))
        .ok_or_else(|| Error::because("the register does not name the stick", listed.to_string()))
}

/// The moment comes up from the server's store, before anything was copied.
fn drill(scene: &Scene, server: &Server) -> Result<String> {
    let start = server.recover(scene, "start", &number(scene, "alice")?);
    let start = start.args(["--bookmark", NAME, "--drill", "--memory", "768", "--json"]);
    let said = answer(start)?;
    match (&said["drilled"], said["up_after_s"].as_u64()) {
        (Value::Bool(true), Some(up_after_s)) => Ok(format!(
            "up after {up_after_s} s with {} KiB over the network, then all {} KiB of it read",
            said["up_bytes"].as_u64().unwrap_or_default() >> 10,
            said["fetched_bytes"].as_u64().unwrap_or_default() >> 10
        )),
        _ => Err(Error::because("the drill proved nothing", said.to_string())),
    }
}

/// A new stick for bob, with alice's moment on it.
fn recover(scene: &Scene, server: &Server) -> Result<String> {
    let lost = number(scene, "alice")?;
    let points = server.recover(scene, "points", &lost);
    must_say(&expect(points, 0)?, NAME)?;
    let started = Instant::now();
    office::stick(scene, "bob")?;
    let stick = server.recover(scene, "stick", &lost).arg(scene.stick("bob"));
    let said = expect(stick.args(["--bookmark", NAME, "--yes"]), 0)?;
    must_say(&said, "ready for bob")?;
    Ok(format!(
        "a new stick made and filled in {}",
        seconds(started.elapsed())
    ))
}

fn as_it_was(scene: &Scene) -> Result<String> {
    let started = Instant::now();
    let mut guest = Workstation::start(scene, "bob")?;
    guest.until_shell()?;
    let up = started.elapsed();
    for file in ["/home/offer.txt", "/root/offer.txt"] {
        let text = guest.console().must(&format!("cat {file}"), COMMAND_LIMIT);
        must_say(
            &text.map_err(|error| Error::because("the file is not there", error))?,
            THEN,
        )?;
    }
    guest.shut_down()?;
    Ok(format!(
        "{} from the stick to the files of then, home and system",
        seconds(up)
    ))
}

/// Whoever has the lost stick goes online with it.
fn cut_off(scene: &Scene) -> Result<String> {
    let start = scene
        .unlocked("alice", "start")
        .args(["--mode", "vm", "--headless", "--memory", "768"]);
    let deadline = Instant::now() + BOOT_LIMIT;
    let mut launcher = start.spawn(
        std::process::Stdio::null(),
        std::process::Stdio::null(),
        std::process::Stdio::inherit(),
    )?;
    while launcher
        .try_wait()
        .map_err(|cause| Error::because("the launcher is lost", cause))?
        .is_none()
    {
        if Instant::now() > deadline {
            let _ = launcher.kill();
            return Err(Error::new("the lost stick goes on working"));
        }
        std::thread::yield_now();
    }
    let said = expect(scene.unlocked("alice", "verify"), 5)?;
    Ok(said.lines().next().unwrap_or_default().to_owned())
}

fn parse(args: &[&str]) -> Result<Asked> {
    let mut asked = Asked::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match (*word, words.as_slice()) {
            ("--network", ["bad", ..]) => {
                asked.bad_network = true;
                words.next();
            }
            ("--server", ["postgres", ..]) => {
                asked.kind = Kind::Large;
                words.next();
            }
            ("--no-build", _) => asked.no_build = true,
            _ => return Err(Error::usage(USAGE)),
        }
    }
    if asked.bad_network && asked.kind == Kind::Large {
        return Err(Error::usage(USAGE).hint("the bucket is on this side of the bad line"));
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood() {
        assert_eq!(parse(&[]).unwrap(), Asked::default());
        let all = parse(&["--network", "bad", "--no-build"]).unwrap();
        assert!(all.bad_network && all.no_build);
        assert_eq!(parse(&["--server", "postgres"]).unwrap().kind, Kind::Large);
        for wrong in [
            &["--network"] as &[&str],
            &["--network", "good"],
            &["--server", "sqlite"],
            &["--server", "postgres", "--network", "bad"],
            &["--fast"],
        ] {
            assert_eq!(parse(wrong).err().map(|error| error.exit()), Some(2), "{wrong:?}");
        }
    }
}
