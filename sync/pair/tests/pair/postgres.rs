//! The same where the company's server has its rows in PostgreSQL: all that is done with a workspace, in a process of its own.

#[path = "../../../server/tests/server/cluster.rs"]
mod cluster;

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use gobag_server::config::Config;

use crate::endpoints::{again, places::skipped};

/// Says to a process where the socket is.
const SOCKET: &str = "GOBAG_TEST_POSTGRES";

/// A database of its own, if this process runs on such.
pub(crate) fn choose(config: &mut Config) {
    static MADE: AtomicU32 = AtomicU32::new(0);
    if let Some(socket) = std::env::var_os(SOCKET) {
        let name = format!("office{}_{}", std::process::id(), MADE.fetch_add(1, Relaxed));
        let database = cluster::database(Path::new(&socket), &config.data, &name);
        config.postgres = Some(database);
    }
}

#[test]
fn everything_again_on_postgresql() {
    let Some(cluster) = cluster::Cluster::start() else {
        return skipped("postgres", "PostgreSQL (Debian's `postgresql`) is not installed");
    };
    // What is put back there is a folder.
    again(
        &["workspace::", "share::", "members::", "--skip=share::s38_s44"],
        |command| {
            command.env(SOCKET, cluster.folder());
        },
    );
}
