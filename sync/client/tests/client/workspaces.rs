//! What several sticks share, as each of them and as IT asks for it.

use std::{
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use gobag_client::{Client, ClientError, Identity, Options, People};
use gobag_protocol::{
    bounded::Bounded,
    error::Code,
    hello::WORKSPACES,
    ids::{BundleId, ObjectId, RequestId, WorkspaceId, WorkspaceName},
    people::Role,
    points::{Part, Wanted},
    workspaces::MemberRole,
};
use gobag_server::testing::Site;

use crate::site::{enrolled, key, nobody, point, volumes};

fn stick(site: &Site, number: u8) -> Client {
    let identity = Identity {
        certificate: enrolled(site, number).certificate,
        key: key(number),
    };
    Client::new(&site.address(), site.ca(), Some(&identity), Options::default()).unwrap()
}

fn people(site: &Site, role: Role) -> People {
    People::new(nobody(site), site.person("acme", role).expose())
}

/// A workspace that sticks 1 and 2 write to.
fn shared(site: &Site) -> (WorkspaceId, [Client; 2]) {
    let sticks = [1, 2].map(|number| stick(site, number));
    let id = people(site, Role::Admin)
        .make_workspace(WorkspaceName::parse("sales").unwrap())
        .unwrap();
    let operator = people(site, Role::Operator);
    for number in [1, 2] {
        operator
            .admit(id, BundleId([number; 16]), MemberRole::Writer)
            .unwrap();
    }
    (id, sticks)
}

#[test]
fn members_put_and_get_what_is_shared_and_each_keeps_its_own() {
    let site = Site::start();
    assert!(nobody(&site).hello().unwrap().has(WORKSPACES));
    let (id, sticks) = shared(&site);
    let [one, two] = [0, 1].map(|at: usize| sticks[at].workspace(id));
    let (line, ids) = (volumes(), [b"a", b"b"].map(|bytes| ObjectId::of(bytes)));
    assert_eq!(one.missing(&ids).unwrap(), ids);
    one.put(ids[0], b"a").unwrap();
    two.put(ids[1], b"b").unwrap();
    assert_eq!(two.missing(&ids).unwrap(), []);
    assert_eq!(two.get(ids[0]).unwrap(), b"a");
    assert_eq!(two.get_range(ids[0], 0..1).unwrap(), b"a");
    let new = point(1, &ids[..1]);
    let part = Part {
        request: new.request,
        generation: 1,
        adds: Bounded::new(ids[1..].to_vec()).unwrap(),
        drops: Bounded::default(),
    };
    one.part(&line, &part).unwrap();
    let made = one.publish(&line, &new).unwrap();
    assert_eq!(one.publish(&line, &new).unwrap(), made);
    let mut late = point(1, &[]);
    late.request = RequestId([9; 16]);
    let refused = two.publish(&line, &late).unwrap_err();
    assert_eq!(refused.refused().unwrap().generation, Some(1));
    two.publish(&line, &point(2, &[])).unwrap();
    let told = one.points(&line, &Wanted::default()).unwrap();
    let makers: Vec<_> = told.iter().map(|point| point.made_by.unwrap().0[0]).collect();
    assert_eq!(makers, [2, 1]);
    assert_eq!(two.point(&line, 1).unwrap().head.unwrap().as_slice(), b"sealed");
    // Its own is under the same names.
    assert_eq!(sticks[0].missing(&ids).unwrap(), ids);
    assert!(sticks[0].points(&line, &Wanted::default()).unwrap().is_empty());
    let mine = sticks[1].workspaces().unwrap();
    assert_eq!((mine.len(), mine[0].id, mine[0].lines[0].generation), (1, id, 2));
    let nothing = sticks[0]
        .workspace(WorkspaceId([7; 16]))
        .missing(&ids)
        .unwrap_err();
    assert!(nothing.is_refused(Code::WorkspaceUnknown) && !nothing.is_transient());
}

#[test]
fn people_make_workspaces_and_say_who_reaches_them() {
    let site = Site::start();
    let (id, sticks) = shared(&site);
    let (viewer, operator) = (people(&site, Role::Viewer), people(&site, Role::Operator));
    let name = WorkspaceName::parse("sales").unwrap();
    let refused = operator.make_workspace(name.clone()).unwrap_err();
    assert!(refused.is_refused(Code::IdentityRole));
    let refused = people(&site, Role::Admin).make_workspace(name).unwrap_err();
    assert!(refused.is_refused(Code::WorkspaceName));
    operator.admit(id, BundleId([2; 16]), MemberRole::Reader).unwrap();
    let put = sticks[1].workspace(id).put(ObjectId::of(b"a"), b"a").unwrap_err();
    assert!(put.is_refused(Code::WorkspaceRole));
    operator.remove(id, BundleId([1; 16])).unwrap();
    let all = viewer.workspaces().unwrap();
    assert_eq!((all.len(), all[0].id, all[0].members), (1, id, 1));
    let details = viewer.workspace(id).unwrap();
    let members: Vec<_> = details
        .members
        .iter()
        .map(|member| (member.bundle, member.role))
        .collect();
    assert_eq!(members, [(BundleId([2; 16]), MemberRole::Reader)]);
    assert!(
        viewer
            .remove(id, BundleId([2; 16]))
            .unwrap_err()
            .is_refused(Code::IdentityRole)
    );
}

#[test]
fn waiting_ends_with_news_with_its_time_and_with_the_client() {
    let site = Site::start();
    let (id, sticks) = shared(&site);
    let [one, two] = [0, 1].map(|at: usize| sticks[at].workspace(id));
    let line = volumes();
    let waiting = |after, wait_s| {
        let (line, two) = (line.clone(), two.clone());
        let waiting = thread::spawn(move || two.wait(&line, after, wait_s));
        let deadline = Instant::now() + Duration::from_secs(60);
        while !site.metrics().lines().any(|line| line == "gobag_waiting 1") {
            assert!(Instant::now() < deadline, "nobody waits");
            thread::yield_now();
        }
        waiting
    };
    let hears = waiting(0, u32::MAX);
    one.publish(&line, &point(1, &[])).unwrap();
    let news = hears.join().unwrap().unwrap();
    assert_eq!((news.points.len(), news.newest), (1, Some(1)));
    let nothing = two.wait(&line, 1, 1).unwrap();
    assert_eq!((nothing.points.len(), nothing.newest), (0, Some(1)));
    let closed = waiting(1, 50);
    let (done, ended) = channel();
    thread::spawn(move || done.send(closed.join().unwrap()));
    sticks[1].close();
    let ended = ended
        .recv_timeout(Duration::from_secs(30))
        .expect("it ends at once");
    assert!(matches!(ended, Err(ClientError::Closed)), "{ended:?}");
}
