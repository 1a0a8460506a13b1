//! The line between the stick and the company: this computer's own, or one that loses 2 % of its packets and stands still at times.
//!
//! The bad one is a network namespace for the server; its own packet filter drops what is to be lost, so nothing of this computer's
//! network is touched.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::server::pause;
use crate::error::{Error, Result};
use crate::sh::Cmd;

const SPACE: &str = "gobag-company";
const HERE: &str = "gobag-here";
const THERE: &str = "gobag-there";
const ADDRESS_HERE: &str = "10.77.43.1/24";
const ADDRESS_THERE: &str = "10.77.43.2/24";
/// How long the line stands still, and how long it works in between.
const STANDSTILL: Duration = Duration::from_secs(20);
const WORKS: Duration = Duration::from_secs(40);

/// What the packet filter does with everything in the meantime.
const STILL: &str = "{ type filter hook input priority 1; policy drop; }";
const MOVING: &str = "{ type filter hook input priority 1; policy accept; }";

/// The way to the server.
pub(super) struct Line {
    bad: Option<Bad>,
}

struct Bad {
    over: Arc<AtomicBool>,
    stalls: Option<JoinHandle<()>>,
}

impl Line {
    pub(super) fn good() -> Self {
        Self { bad: None }
    }

    /// Needs an administrator.
    pub(super) fn bad() -> Result<Self> {
        remove();
        let steps: &[&[&str]] = &[
            &["ip", "netns", "add", SPACE],
            &["ip", "link", "add", HERE, "type", "veth", "peer", "name", THERE],
            &["ip", "link", "set", THERE, "netns", SPACE],
            &["ip", "address", "add", ADDRESS_HERE, "dev", HERE],
            &["ip", "link", "set", HERE, "up"],
            &["ip", "-n", SPACE, "address", "add", ADDRESS_THERE, "dev", THERE],
            &["ip", "-n", SPACE, "link", "set", THERE, "up"],
            &["ip", "-n", SPACE, "link", "set", "lo", "up"],
            &[
                "ip", "netns", "exec", SPACE, "nft", "add", "table", "inet", "line",
            ],
            &[
                "ip",
                "netns",
                "exec",
                SPACE,
                "nft",
                "add",
                "chain",
                "inet",
                "line",
                "in",
                "{ type filter hook input priority 0; }",
            ],
            &[
                "ip", "netns", "exec", SPACE, "nft", "add", "rule", "inet", "line", "in", "iifname", THERE,
                "numgen", "random", "mod", "50", "==", "0", "drop",
            ],
            &[
                "ip",
                "netns",
                "exec",
                SPACE,
                "nft",
                "add",
                "chain",
                "inet",
                "line",
                "out",
                "{ type filter hook output priority 0; }",
            ],
            &[
                "ip", "netns", "exec", SPACE, "nft", "add", "rule", "inet", "line", "out", "oifname", THERE,
                "numgen", "random", "mod", "50", "==", "0", "drop",
            ],
        ];
        for step in steps {
            Cmd::new(step[0])
                .args(&step[1..])
                .run()
                .map_err(|error| error.hint("a bad line needs an administrator, ip and nft"))?;
        }
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let stalls = std::thread::Builder::new()
            .name("line".to_owned())
            .spawn(move || {
                let mut still = false;
                while !is_over.load(Ordering::SeqCst) {
                    pause(if still { STANDSTILL } else { WORKS });
                    still = !still;
                    // Packets are lost, and the way stays: without a route they would go to whoever is next.
                    let chain = if still { STILL } else { MOVING };
                    // Removed already is what the end looks like.
                    let _ = Cmd::new("ip")
                        .args([
                            "netns", "exec", SPACE, "nft", "add", "chain", "inet", "line", "still", chain,
                        ])
                        .output();
                }
            })
            .map_err(|cause| Error::because("no thread for the line", cause))?;
        Ok(Self {
            bad: Some(Bad {
                over,
                stalls: Some(stalls),
            }),
        })
    }

    pub(super) fn host(&self) -> &'static str {
        match self.bad {
            Some(_) => "10.77.43.2",
            None => "127.0.0.1",
        }
    }

    pub(super) fn summary(&self) -> String {
        match self.bad {
            Some(_) => "a line that loses 2 % each way and stands still for 20 s a minute".to_owned(),
            None => "this computer's own network".to_owned(),
        }
    }

    /// A program on the server's side of the line.
    pub(super) fn at_server(&self, program: Cmd) -> Cmd {
        match self.bad {
            Some(_) => program.inside(Cmd::new("ip").args(["netns", "exec", SPACE])),
            None => program,
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(bad) = &mut self.bad {
            bad.over.store(true, Ordering::SeqCst);
            if let Some(stalls) = bad.stalls.take() {
                stalls.thread().unpark();
                // It looks at the flag before it waits again.
                let _ = stalls.join();
            }
            remove();
        }
    }
}

/// What an earlier run may have left.
fn remove() {
    let _ = Cmd::new("ip").args(["link", "delete", HERE]).output();
    let _ = Cmd::new("ip").args(["netns", "delete", SPACE]).output();
}
