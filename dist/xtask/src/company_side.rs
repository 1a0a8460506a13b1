//! The company's side as IT runs it: `gobag-server` as processes of their own, on SQLite and a folder or on PostgreSQL and a bucket.
//!
//! PostgreSQL is Debian's, in a folder of its own behind a socket there; the bucket is PyPI's `moto`, which honours conditional writes but
//! keeps everything in memory and is slow: it stands for what an S3 answers, not for how fast.

mod bucket;
mod postgres;
mod process;

pub(crate) use bucket::Bucket;
pub(crate) use postgres::{Cluster, programs as postgres_programs};
pub(crate) use process::{Serving, await_line};
