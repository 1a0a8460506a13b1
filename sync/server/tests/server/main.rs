//! A real server on a loopback port, with TLS 1.3 and client certificates: on SQLite and a folder, and all of it again on PostgreSQL
//! and a bucket ([`stores`]).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

/// Each as a test on SQLite and a folder; and all of them, for another database and store.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite_and_a_folder {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$name().await;
                }
            )*
        }

        pub(crate) async fn all() {
            $(
                // Printed when the test fails.
                eprintln!("{}::{}", module_path!(), stringify!($name));
                $name().await;
            )*
        }
    };
}

mod backup;
mod cluster;
mod crash;
mod enrolment;
mod harness;
mod leases;
mod limits;
mod marker;
mod moto;
mod objects;
mod points;
mod pruning;
mod rclone;
mod restored;
mod shares;
mod stores;
mod tenants;
mod waiting;
mod workspaces;
