//! Waiting for a newer point: whoever waits hears of it, at whatever server it was made, and so many wait and no more.

use std::time::Duration;

use gobag_protocol::{ids::BundleId, limits::MAX_WAITS, points::Points};
use gobag_server::serve::Server;
use hyper::StatusCode;
use serde_json::json;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{
    harness::{Client, Reply, Site, metrics, point},
    workspaces::{admit, remove, shared},
};

/// What takes longer than this does not happen.
const DEADLINE: Duration = Duration::from_secs(60);

fn wait(client: &Client, after: u64, wait_s: u32) -> JoinHandle<Reply> {
    let path = format!("{}/lines/files/points?after={after}&wait_s={wait_s}", client.base);
    let client = client.clone();
    tokio::spawn(async move { client.get(&path).await })
}

async fn heard(waiting: JoinHandle<Reply>) -> Reply {
    timeout(DEADLINE, waiting).await.expect("it hears").unwrap()
}

fn generations(reply: Reply) -> (Vec<u64>, Option<u64>) {
    let told: Points = reply.is(StatusCode::OK).json();
    (
        told.points.iter().map(|point| point.generation).collect(),
        told.newest,
    )
}

/// Until so many wait at the server.
async fn until_waiting(server: &Server, count: usize) {
    let line = format!("gobag_waiting {count}");
    let all = async {
        while !metrics(server).await.lines().any(|found| found == line) {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, all).await.expect("so many wait");
}

async fn who_waits_hears_of_a_point_at_whatever_server_it_is_made() {
    let site = Site::start().await;
    let replica = Server::start(&site.config, site.clock.clone()).await.unwrap();
    let (_, one, two, _) = shared(&site).await;
    let (here, there) = (wait(&two, 0, 50), wait(&two.at(replica.address), 0, 50));
    until_waiting(&site.server, 1).await;
    until_waiting(&replica, 1).await;
    one.made("files", &point(1, 1, &[], &[])).await;
    for waiting in [here, there] {
        assert_eq!(generations(heard(waiting).await), (vec![1], Some(1)));
    }
    // What is there already is told at once, and of other lines nothing.
    one.made("files", &point(2, 1, &[], &[])).await;
    one.made("other", &point(1, 1, &[], &[])).await;
    assert_eq!(generations(heard(wait(&two, 0, 50)).await), (vec![2, 1], Some(2)));
    let begun = Instant::now();
    assert_eq!(generations(heard(wait(&two, 2, 1)).await), (vec![], Some(2)));
    assert!(begun.elapsed() >= Duration::from_secs(1), "it waited its time");
    assert_eq!(generations(heard(wait(&two, 2, 0)).await), (vec![], Some(2)));
    // A point that is not wanted is none to hear of.
    let path = format!("{}/lines/files/points?after=2&wait_s=50&complete=true", two.base);
    let client = two.clone();
    let waiting = tokio::spawn(async move { client.get(&path).await });
    until_waiting(&site.server, 1).await;
    let mut partial = point(3, 1, &[], &[]);
    partial.complete = false;
    one.made("files", &partial).await;
    one.made("files", &point(4, 1, &[], &[])).await;
    assert_eq!(generations(heard(waiting).await), (vec![4], Some(4)));
    replica.end().await;
}

async fn so_many_wait_and_who_goes_away_makes_room() {
    let site = Site::start_with(|config| config.most.waits = MAX_WAITS + 1).await;
    let (_, one, two, _) = shared(&site).await;
    let mut waiting: Vec<_> = (0..MAX_WAITS).map(|_| wait(&two, 0, 50)).collect();
    until_waiting(&site.server, MAX_WAITS).await;
    let refused = heard(wait(&two, 0, 50)).await.is(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.code(), "request.too-many");
    assert!(refused.headers.contains_key("retry-after"));
    // Without waiting it is told.
    assert_eq!(generations(heard(wait(&two, 0, 0)).await), (vec![], Some(0)));
    waiting.push(wait(&one, 0, 50));
    until_waiting(&site.server, MAX_WAITS + 1).await;
    heard(wait(&one, 0, 50)).await.is(StatusCode::TOO_MANY_REQUESTS);
    // A connection that breaks waits no more.
    for gone in waiting.drain(..2) {
        gone.abort();
    }
    until_waiting(&site.server, MAX_WAITS - 1).await;
    waiting.push(wait(&two, 0, 50));
    until_waiting(&site.server, MAX_WAITS).await;
    one.made("files", &point(1, 1, &[], &[])).await;
    for waiting in waiting {
        assert_eq!(generations(heard(waiting).await), (vec![1], Some(1)));
    }
    until_waiting(&site.server, 0).await;
}

async fn who_is_removed_or_cut_off_while_waiting_hears_nothing_of_it() {
    let site = Site::start().await;
    let (workspace, one, two, admin) = shared(&site).await;
    let waiting = wait(&two, 0, 50);
    until_waiting(&site.server, 1).await;
    remove(&admin, &workspace, 2).await;
    one.made("files", &point(1, 1, &[], &[])).await;
    let reply = heard(waiting).await.is(StatusCode::NOT_FOUND);
    assert_eq!(reply.code(), "workspace.unknown");
    // The same of one that is cut off.
    admit(&admin, &workspace, 2, "writer").await;
    let waiting = wait(&two, 1, 50);
    until_waiting(&site.server, 1).await;
    let revoke = format!("/v1/admin/sticks/{}/revoke", BundleId([2; 16]));
    admin.post(&revoke, &json!({})).await.is(StatusCode::NO_CONTENT);
    one.made("files", &point(2, 1, &[], &[])).await;
    let reply = heard(waiting).await.is(StatusCode::NOT_FOUND);
    assert_eq!(reply.code(), "workspace.unknown");
}

async fn a_server_that_ends_lets_those_who_wait_go() {
    let site = Site::start().await;
    let (_, _, two, _) = shared(&site).await;
    let waiting = wait(&two, 0, 50);
    until_waiting(&site.server, 1).await;
    let begun = Instant::now();
    site.server.end().await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(generations(heard(waiting).await), (vec![], Some(0)));
}

scenarios!(
    who_waits_hears_of_a_point_at_whatever_server_it_is_made,
    so_many_wait_and_who_goes_away_makes_room,
    who_is_removed_or_cut_off_while_waiting_hears_nothing_of_it,
    a_server_that_ends_lets_those_who_wait_go,
);
