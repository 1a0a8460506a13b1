//! Points: one writer makes each generation, nothing is named that is not here, and the same request has one answer.

use std::collections::BTreeMap;

use gobag_protocol::{
    ids::{BundleId, ObjectId},
    people::Role,
    points::{MadePoint, Point, Points},
};
use gobag_server::serve::Server;
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Site, point};

const BUNDLE: BundleId = BundleId([1; 16]);

async fn points_follow_each_other_and_are_told_newest_first() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let (a, b) = (stick.put_object(b"a").await, stick.put_object(b"b").await);
    let first = stick.made("volumes", &point(1, 0, &[a], &[])).await;
    site.clock.advance(60);
    let second = stick.made("volumes", &point(2, 0, &[b], &[a])).await;
    assert_eq!((first.generation, second.generation), (1, 2));
    assert!(second.time_s >= first.time_s + 60);
    // Dropped and added again; another line knows nothing of it.
    stick.made("volumes", &point(3, 0, &[a], &[])).await;
    stick.made("files:home", &point(1, 0, &[a], &[])).await;

    let listed: Value = stick
        .get("/v1/lines/volumes/points")
        .await
        .is(StatusCode::OK)
        .json();
    let generations = |listed: &Value| -> Vec<u64> {
        let points = listed["points"].as_array().unwrap().iter();
        points
            .map(|point| point["generation"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(generations(&listed), [3, 2, 1]);
    let page = "/v1/lines/volumes/points?before=3&limit=1";
    assert_eq!(generations(&stick.get(page).await.json()), [2]);
    let told: Point = stick
        .get("/v1/lines/volumes/points/2")
        .await
        .is(StatusCode::OK)
        .json();
    assert_eq!((told.added, told.dropped), (1, 1));
    assert_eq!(told.head.unwrap().as_slice(), b"sealed");
    let unknown = stick.get("/v1/lines/volumes/points/4").await;
    assert_eq!(unknown.is(StatusCode::NOT_FOUND).code(), "point.unknown");
}

async fn what_is_not_so_is_refused_by_name_and_leaves_nothing() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let here = stick.put_object(b"here").await;
    let gone = ObjectId::of(b"gone");
    let reply = stick.point("volumes", &point(1, 0, &[here, gone], &[])).await;
    let refused = reply.is(StatusCode::UNPROCESSABLE_ENTITY).refused().error;
    assert_eq!(
        (refused.code.as_str(), refused.ids),
        ("point.missing-objects", vec![gone])
    );
    // The same request with the object there is the same attempt, and goes through.
    stick.put_object(b"gone").await;
    stick.made("volumes", &point(1, 0, &[here, gone], &[])).await;

    let refused = stick.point("volumes", &point(3, 1, &[], &[])).await;
    let refused = refused.is(StatusCode::CONFLICT).refused().error;
    assert_eq!(
        (refused.code.as_str(), refused.generation),
        ("point.other-generation", Some(1))
    );
    // The right number, on top of another history.
    let mut on_another = point(2, 9, &[], &[]);
    on_another.after = Some(point(1, 1, &[], &[]).request);
    let refused = stick.point("volumes", &on_another).await;
    assert_eq!(refused.is(StatusCode::CONFLICT).code(), "point.other-generation");
    for (adds, drops, wrong) in [
        (&[here][..], &[][..], here),
        (&[], &[ObjectId::of(b"never")], ObjectId::of(b"never")),
        (&[here], &[here], here),
    ] {
        let reply = stick.point("volumes", &point(2, 2, adds, drops)).await;
        let refused = reply.is(StatusCode::UNPROCESSABLE_ENTITY).refused().error;
        assert_eq!(
            (refused.code.as_str(), refused.ids),
            ("point.other-content", vec![wrong])
        );
    }
    let listed: Value = stick.get("/v1/lines/volumes/points").await.json();
    assert_eq!(listed["points"].as_array().unwrap().len(), 1);
    let mut on_this = point(2, 3, &[], &[here]);
    on_this.after = Some(point(1, 0, &[], &[]).request);
    stick.made("volumes", &on_this).await;
}

async fn the_same_request_has_the_same_answer_also_later() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let id = stick.put_object(b"a").await;
    let first = stick.made("volumes", &point(1, 7, &[id], &[])).await;
    site.clock.advance(3600);
    stick.made("volumes", &point(2, 7, &[], &[id])).await;
    assert_eq!(stick.made("volumes", &point(1, 7, &[id], &[])).await, first);
    let listed: Value = stick.get("/v1/lines/volumes/points").await.json();
    assert_eq!(listed["points"].as_array().unwrap().len(), 2);
}

async fn parts_belong_to_one_attempt() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let ids = [
        stick.put_object(b"1").await,
        stick.put_object(b"2").await,
        stick.put_object(b"3").await,
    ];
    let part = |request: u64, adds: &[ObjectId]| json!({"request": format!("{:016x}{request:016x}", 1), "generation": 1, "adds": adds});
    let path = "/v1/lines/volumes/parts";
    for _ in 0..2 {
        stick
            .post(path, &part(1, &ids[..2]))
            .await
            .is(StatusCode::NO_CONTENT);
    }
    stick
        .post(path, &part(2, &[ObjectId::of(b"of an attempt given up")]))
        .await
        .is(StatusCode::NO_CONTENT);
    stick.made("volumes", &point(1, 1, &ids[2..], &[])).await;
    let told: Point = stick.get("/v1/lines/volumes/points/1").await.json();
    assert_eq!((told.added, told.dropped), (3, 0));
    let late = stick.post(path, &part(3, &[])).await;
    assert_eq!(late.is(StatusCode::CONFLICT).code(), "point.other-generation");
}

async fn a_point_with_fewer_ids_than_its_stick_meant_is_refused() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let ids = [stick.put_object(b"1").await, stick.put_object(b"2").await];
    // The same id twice is one.
    let part = json!({"request": point(1, 0, &[], &[]).request, "generation": 1, "adds": [ids[0], ids[0]]});
    let send_part = async || {
        let reply = stick.post("/v1/lines/volumes/parts", &part).await;
        reply.is(StatusCode::NO_CONTENT)
    };
    let mut new = point(1, 0, &ids[1..], &[]);
    (new.all_adds, new.all_drops) = (Some(2), Some(0));
    send_part().await;
    sqlx::query("DELETE FROM parts")
        .execute(site.database.read())
        .await
        .unwrap();
    let refused = stick
        .point("volumes", &new)
        .await
        .is(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.code(), "point.parts-missing");
    let listed: Points = stick.get("/v1/lines/volumes/points").await.json();
    assert!(listed.points.is_empty());
    send_part().await;
    new.all_drops = Some(1);
    assert_eq!(stick.point("volumes", &new).await.code(), "point.parts-missing");
    new.all_drops = Some(0);
    stick.made("volumes", &new).await;
    let told: Point = stick.get("/v1/lines/volumes/points/1").await.json();
    assert_eq!((told.added, told.dropped), (2, 0));
}

async fn of_twenty_writers_at_two_replicas_exactly_one_makes_each_generation() {
    const WRITERS: u64 = 20;
    const GENERATIONS: u64 = 6;
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    // Two servers on one database: what a process keeps to itself does not help.
    let replica = Server::start(&site.config, site.clock.clone()).await.unwrap();
    let tasks: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let stick = match writer % 2 {
                0 => stick.clone(),
                _ => stick.at(replica.address),
            };
            tokio::spawn(async move {
                let mut won = Vec::new();
                let mut next = 1;
                while next <= GENERATIONS {
                    let reply = stick.point("volumes", &point(next, writer, &[], &[])).await;
                    match reply.status {
                        StatusCode::CREATED => {
                            let made: MadePoint = reply.json();
                            assert_eq!(made.generation, next);
                            won.push(next);
                            next += 1;
                        }
                        StatusCode::CONFLICT => {
                            let newest = reply.refused().error.generation.unwrap();
                            assert!(newest >= next, "{newest} {next}");
                            next = newest + 1;
                        }
                        other => panic!("{other}: {}", String::from_utf8_lossy(&reply.body)),
                    }
                }
                won
            })
        })
        .collect();
    let mut winners = BTreeMap::<u64, u32>::new();
    for task in tasks {
        for generation in task.await.unwrap() {
            *winners.entry(generation).or_default() += 1;
        }
    }
    let expected: BTreeMap<u64, u32> = (1..=GENERATIONS).map(|generation| (generation, 1)).collect();
    assert_eq!(winners, expected);
    replica.end().await;
}

async fn bookmarks_name_points_and_are_counted() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let mut new = point(1, 0, &[], &[]);
    new.bookmarks = serde_json::from_value(json!([{"kind": "application", "label": "AAAA"}])).unwrap();
    stick.made("volumes", &new).await;
    let path = "/v1/lines/volumes/points/1/bookmarks";
    let named = |number: u8| json!({"kind": "user", "label": format!("AA{:02}", number)});
    for number in (1..16).chain([3]) {
        stick.post(path, &named(number)).await.is(StatusCode::NO_CONTENT);
    }
    let reply = stick.post(path, &named(16)).await;
    assert_eq!(
        reply.is(StatusCode::UNPROCESSABLE_ENTITY).code(),
        "point.bookmarks"
    );
    let unknown = stick
        .post("/v1/lines/volumes/points/2/bookmarks", &named(1))
        .await;
    assert_eq!(unknown.code(), "point.unknown");
    let listed: Value = stick.get("/v1/lines/volumes/points").await.json();
    let bookmarks = listed["points"][0]["bookmarks"].as_array().unwrap();
    assert_eq!(bookmarks.len(), 16);
    assert_eq!(bookmarks[0]["kind"], "application");
}

async fn points_are_told_by_time_completeness_and_bookmark() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let mut times = Vec::new();
    for generation in 1..=6 {
        site.clock.advance(3600);
        let mut new = point(generation, 0, &[], &[]);
        new.complete = generation != 1 && generation != 5;
        if generation % 3 == 0 {
            new.bookmarks = serde_json::from_value(json!([{"kind": "user", "label": "AAAA"}])).unwrap();
        }
        times.push(stick.made("volumes", &new).await.time_s);
    }
    let told = async |query: String| -> Vec<u64> {
        let path = format!("/v1/lines/volumes/points?{query}");
        let listed: Points = stick.get(&path).await.is(StatusCode::OK).json();
        listed.points.iter().map(|point| point.generation).collect()
    };
    assert_eq!(told("complete=true".to_owned()).await, [6, 4, 3, 2]);
    assert_eq!(told("bookmark=user".to_owned()).await, [6, 3]);
    assert_eq!(told("bookmark=user&before=6".to_owned()).await, [3]);
    // The newest one can go back to at or before a time.
    for (before_s, expected) in [(times[4], vec![4]), (times[3], vec![4]), (times[0], vec![])] {
        let query = format!("complete=true&limit=1&before_s={before_s}");
        assert_eq!(told(query).await, expected);
    }
    let partial: Point = stick.get("/v1/lines/volumes/points/5").await.json();
    assert!(!partial.complete);

    let operator = site.person("acme", Role::Operator).await;
    let drilled =
        |generation: u64| format!("/v1/admin/sticks/{BUNDLE}/lines/volumes/points/{generation}/drilled");
    for (generation, code) in [(5, "point.partial"), (7, "point.unknown")] {
        assert_eq!(operator.post(&drilled(generation), &json!({})).await.code(), code);
    }
    operator
        .post(&drilled(4), &json!({}))
        .await
        .is(StatusCode::NO_CONTENT);
    let told: Point = stick.get("/v1/lines/volumes/points/4").await.json();
    assert!(told.drilled_s.is_some());
    let told: Point = stick.get("/v1/lines/volumes/points/5").await.json();
    assert_eq!(told.drilled_s, None);
}

async fn a_memory_is_changed_only_by_who_knows_it() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let put = |headers: &'static [(&'static str, &'static str)], fill: u8| {
        stick.send("PUT", "/v1/memory", headers, vec![fill; 256])
    };
    let reply = put(&[], 1).await;
    assert_eq!(
        reply.is(StatusCode::PRECONDITION_REQUIRED).code(),
        "memory.unconditional"
    );
    put(&[("if-none-match", "*")], 1).await.is(StatusCode::NO_CONTENT);
    // The answer got lost.
    put(&[("if-none-match", "*")], 1).await.is(StatusCode::NO_CONTENT);
    let reply = put(&[("if-none-match", "*")], 2).await;
    assert_eq!(reply.is(StatusCode::PRECONDITION_FAILED).code(), "memory.changed");
    let kept = stick.get("/v1/memory").await.is(StatusCode::OK);
    assert_eq!(kept.body, [1; 256]);
    let tag = kept.headers["etag"].to_str().unwrap().to_owned();
    let at = |tag: String, fill: u8| {
        let stick = stick.clone();
        async move {
            stick
                .send("PUT", "/v1/memory", &[("if-match", &tag)], vec![fill; 256])
                .await
        }
    };
    at(tag.clone(), 3).await.is(StatusCode::NO_CONTENT);
    let reply = at(tag, 4).await;
    assert_eq!(reply.is(StatusCode::PRECONDITION_FAILED).code(), "memory.changed");
    let short = stick
        .send("PUT", "/v1/memory", &[("if-match", "\"x\"")], vec![0; 255])
        .await;
    assert_eq!(short.is(StatusCode::BAD_REQUEST).code(), "request.malformed");
}

scenarios!(
    points_follow_each_other_and_are_told_newest_first,
    what_is_not_so_is_refused_by_name_and_leaves_nothing,
    the_same_request_has_the_same_answer_also_later,
    parts_belong_to_one_attempt,
    a_point_with_fewer_ids_than_its_stick_meant_is_refused,
    of_twenty_writers_at_two_replicas_exactly_one_makes_each_generation,
    bookmarks_name_points_and_are_counted,
    points_are_told_by_time_completeness_and_bookmark,
    a_memory_is_changed_only_by_who_knows_it,
);
