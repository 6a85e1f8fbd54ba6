//! Events in commit order, at least once.

use crate::sample;
use netpatch_storage::bus::MemoryBus;
use netpatch_storage::consumer::{load_cursor, save_cursor};
use netpatch_storage::outbox::Reader;
use netpatch_storage::roles::connect_one;
use netpatch_storage::{Bus as _, Consumer, Database, Until, outbox};
use netpatch_testkit::{ManualClock, TestDatabase, poll_until, test_context};
use netpatch_types::{Clock as _, Cursor, EventPage, RequestContext, ServiceError, ServiceResult};
use sea_orm::ConnectionTrait as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

struct Scene {
    test: TestDatabase,
    clock: Arc<ManualClock>,
    context: RequestContext,
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::shared();
        let context = test_context(clock.now());
        Self {
            test: TestDatabase::new(&[sample::migrations()]).await,
            clock,
            context,
        }
    }

    fn db(&self) -> &Database {
        self.test.database()
    }

    async fn write(&self, payload: &str) {
        let tx = self.db().write(&self.context).await.unwrap();
        outbox::append(&tx, "sample", "a", &payload, &*self.clock)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    async fn settle(&self) {
        self.test.settle("sample").await;
    }

    async fn payloads_after(&self, cursor: Cursor) -> (Vec<String>, Cursor) {
        let page = outbox::read(self.db(), "sample", cursor, 100)
            .await
            .unwrap();
        (payloads(&page), page.next)
    }
}

fn payloads(page: &EventPage) -> Vec<String> {
    page.events
        .iter()
        .map(|event| event.payload.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_slow_transactions_event_is_not_lost() {
    let scene = Scene::new().await;
    let slow = scene.db().write(&scene.context).await.unwrap();
    outbox::append(&slow, "sample", "a", &"slow", &*scene.clock)
        .await
        .unwrap();
    scene.write("fast").await;
    let (seen, cursor) = scene.payloads_after(Cursor::default()).await;
    assert!(
        seen.is_empty(),
        "the fast one waits for the slow one: {seen:?}"
    );
    slow.commit().await.unwrap();
    scene.settle().await;
    let (seen, cursor) = scene.payloads_after(cursor).await;
    assert_eq!(seen, ["slow", "fast"]);
    assert!(scene.payloads_after(cursor).await.0.is_empty());
}

#[tokio::test]
async fn a_rolled_back_event_never_appears_and_pages_continue() {
    let scene = Scene::new().await;
    let tx = scene.db().write(&scene.context).await.unwrap();
    outbox::append(&tx, "sample", "a", &"undone", &*scene.clock)
        .await
        .unwrap();
    tx.rollback().await.unwrap();
    for number in 0..5 {
        scene.write(&number.to_string()).await;
    }
    scene.settle().await;
    let mut cursor = Cursor::default();
    let mut all = Vec::new();
    loop {
        let page = outbox::read(scene.db(), "sample", cursor, 2).await.unwrap();
        assert!(page.events.len() <= 2);
        if page.events.is_empty() {
            break;
        }
        assert!(page.events.iter().all(|event| event.tenant == scene.context.read[0] && event.at == scene.clock.now()));
        all.extend(payloads(&page));
        cursor = page.next;
    }
    assert_eq!(all, ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn pages_continue_where_transaction_numbers_grow_by_a_digit() {
    let scene = Scene::new().await;
    for payload in ["a", "b", "c", "d"] {
        scene.write(payload).await;
    }
    scene.settle().await;
    let admin = connect_one(scene.test.admin_url()).await.unwrap();
    for (payload, xid) in [("a", 8), ("b", 9), ("c", 10), ("d", 11)] {
        admin
            .execute_unprepared(&format!(
                "update sample.outbox set xid = '{xid}' where payload = to_jsonb('{payload}'::text)"
            ))
            .await
            .unwrap();
    }
    let (mut cursor, mut seen) = (Cursor::default(), Vec::new());
    for _ in 0..4 {
        let page = outbox::read(scene.db(), "sample", cursor, 1).await.unwrap();
        seen.extend(payloads(&page));
        cursor = page.next;
    }
    assert_eq!(seen, ["a", "b", "c", "d"]);
    assert!(scene.payloads_after(cursor).await.0.is_empty());
}

#[tokio::test]
async fn a_restore_delivers_everything_again() {
    let scene = Scene::new().await;
    scene.write("one").await;
    scene.write("two").await;
    scene.settle().await;
    let (_, cursor) = scene.payloads_after(Cursor::default()).await;
    outbox::restored(&scene.test.urls().owner, "sample")
        .await
        .unwrap();
    scene.settle().await;
    let (seen, after) = scene.payloads_after(cursor).await;
    assert_eq!(seen, ["one", "two"]);
    assert_eq!(after.epoch, cursor.epoch + 1);
    assert!(scene.payloads_after(after).await.0.is_empty());
    let sound = netpatch_storage::hole_test::compare(scene.db(), &sample::list())
        .await
        .unwrap();
    assert_eq!(sound, Vec::<String>::new(), "forced again");
}

#[tokio::test]
async fn a_cursor_is_kept() {
    let scene = Scene::new().await;
    assert_eq!(
        load_cursor(scene.db(), "sample", "x").await.unwrap(),
        Cursor::default()
    );
    let cursor = Cursor {
        epoch: 2,
        xid: u64::MAX - 1,
        id: 7,
    };
    save_cursor(scene.db(), "sample", "x", cursor)
        .await
        .unwrap();
    save_cursor(scene.db(), "sample", "y", Cursor::default())
        .await
        .unwrap();
    assert_eq!(
        load_cursor(scene.db(), "sample", "x").await.unwrap(),
        cursor
    );
}

#[tokio::test]
async fn a_consumer_stops_at_a_failure_and_goes_on_there() {
    let scene = Scene::new().await;
    for payload in ["one", "two", "three"] {
        scene.write(payload).await;
    }
    scene.settle().await;
    let db = scene.db();
    let source = |after, limit| async move { Ok(outbox::read(db, "sample", after, limit).await?) };
    let failures = AtomicU32::new(1);
    let seen = Mutex::new(Vec::new());
    let handle = |event: netpatch_types::EventEnvelope| {
        let payload = event.payload.as_str().unwrap_or_default().to_owned();
        let fails = payload == "two"
            && failures.load(Ordering::SeqCst) > 0
            && failures.fetch_sub(1, Ordering::SeqCst) > 0;
        let outcome: ServiceResult<()> = if fails {
            Err(ServiceError::internal())
        } else {
            Ok(())
        };
        if outcome.is_ok() {
            seen.lock().unwrap().push(payload);
        }
        async move { outcome }
    };
    let consumer = Consumer::new("sample", "itself", "sample.outbox").page_size(2);
    let bus = MemoryBus::default();
    let drain = || consumer.follow(db, &bus, Until::Empty, source, handle);
    assert!(drain().await.is_err());
    assert_eq!(*seen.lock().unwrap(), ["one"]);
    assert_eq!(drain().await.unwrap(), 2);
    assert_eq!(
        *seen.lock().unwrap(),
        ["one", "two", "three"],
        "what was handled is not handled again"
    );
    assert_eq!(drain().await.unwrap(), 0);
}

/// Pages of three: a, b, bad / c, d, e / f.
#[tokio::test]
async fn a_consumer_of_pages_handles_what_lies_before_a_bad_event() {
    let scene = Scene::new().await;
    for payload in ["a", "b", "bad", "c", "d", "e", "f"] {
        scene.write(payload).await;
    }
    scene.settle().await;
    let db = scene.db();
    let source = |after, limit| async move { Ok(outbox::read(db, "sample", after, limit).await?) };
    let mended = AtomicBool::new(false);
    let seen = Mutex::new(Vec::new());
    let handle = |events: Vec<netpatch_types::EventEnvelope>| {
        let page: Vec<String> = payloads(&EventPage {
            events,
            next: Cursor::default(),
        });
        let fails = !mended.load(Ordering::SeqCst) && page.iter().any(|payload| payload == "bad");
        let outcome = if fails {
            Err(ServiceError::internal())
        } else {
            seen.lock().unwrap().push(page.concat());
            Ok(())
        };
        async move { outcome }
    };
    let consumer = Consumer::new("sample", "itself", "sample.outbox").page_size(3);
    let bus = MemoryBus::default();
    let drain = || consumer.follow_pages(db, &bus, Until::Empty, source, handle);
    for _ in 0..2 {
        assert!(drain().await.is_err());
        assert_eq!(*seen.lock().unwrap(), ["a", "b"], "and nothing twice");
    }
    mended.store(true, Ordering::SeqCst);
    assert_eq!(drain().await.unwrap(), 5);
    assert_eq!(*seen.lock().unwrap(), ["a", "b", "badcd", "ef"]);
    assert_eq!(drain().await.unwrap(), 0);

    // A handler that never comes back from its page leaves the cursor before it.
    scene.write("g").await;
    scene.write("h").await;
    scene.settle().await;
    let (sender, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let lost = |_| {
        sender.send(()).unwrap();
        std::future::pending::<ServiceResult<()>>()
    };
    tokio::select! {
        _ = consumer.follow_pages(db, &bus, Until::Empty, source, lost) => panic!("it came back"),
        _ = begun.recv() => {}
    }
    assert_eq!(drain().await.unwrap(), 2);
    assert_eq!(seen.lock().unwrap().last().unwrap(), "gh");
}

/// What is written while a page with room to spare is handled waits for the next look.
#[tokio::test]
async fn an_unhurried_consumer_reads_full_pages_only_again() {
    let scene = Scene::new().await;
    for payload in ["one", "two", "three"] {
        scene.write(payload).await;
    }
    scene.settle().await;
    let (db, reads) = (scene.db(), AtomicU32::new(0));
    let source = |after, limit| {
        reads.fetch_add(1, Ordering::SeqCst);
        async move { Ok(outbox::read(db, "sample", after, limit).await?) }
    };
    let scene = &scene;
    let handle = |_| async move {
        scene.write("meanwhile").await;
        scene.settle().await;
        Ok(())
    };
    let consumer = Consumer::new("sample", "itself", "sample.outbox")
        .page_size(2)
        .unhurried();
    let bus = MemoryBus::default();
    let look = || consumer.follow_pages(db, &bus, Until::Empty, source, handle);
    // Two, then the third and the first that came meanwhile: both pages are full. The third has room to spare.
    assert_eq!(look().await.unwrap(), 5);
    assert_eq!(reads.swap(0, Ordering::SeqCst), 3);
    assert_eq!(look().await.unwrap(), 1);
    assert_eq!(reads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_running_consumer_looks_when_it_is_told_and_ends_when_it_is_stopped() {
    let scene = Scene::new().await;
    let (bus, stop) = (Arc::new(MemoryBus::default()), CancellationToken::new());
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let task = {
        let (db, bus, stop) = (scene.db().clone(), bus.clone(), stop.clone());
        tokio::spawn(async move {
            let source = |after, limit| {
                let db = db.clone();
                async move { Ok(outbox::read(&db, "sample", after, limit).await?) }
            };
            let handle = |event: netpatch_types::EventEnvelope| {
                let sender = sender.clone();
                async move {
                    sender
                        .send(event.payload)
                        .map_err(|_| ServiceError::internal())
                }
            };
            // Polling alone would take longer than the test waits.
            let consumer = Consumer::new("sample", "itself", "sample.outbox")
                .poll_every(Duration::from_secs(3600));
            let until = Until::Stopped(stop);
            consumer.follow(&db, &*bus, until, source, handle).await
        })
    };
    for payload in ["one", "two"] {
        scene.write(payload).await;
        let arrived = poll_until("the event", Duration::from_secs(10), async || {
            bus.publish("sample.outbox", b"").await;
            receiver.try_recv().ok()
        });
        assert_eq!(arrived.await, payload);
    }
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

const DAY: Duration = Duration::from_secs(24 * 3600);
const READERS: [Reader; 2] = [
    Reader {
        source: "sample",
        schema: "sample",
        cursor: "quick",
    },
    Reader {
        source: "sample",
        schema: "sample",
        cursor: "slow",
    },
];

impl Scene {
    async fn prune(&self) -> u64 {
        let now = self.clock.now();
        outbox::prune(self.db(), "sample", &READERS, now, 7 * DAY)
            .await
            .unwrap()
    }

    async fn left(&self) -> Vec<String> {
        self.payloads_after(Cursor::default()).await.0
    }
}

#[tokio::test]
async fn a_row_goes_when_it_is_old_and_every_consumer_has_passed_it() {
    let scene = Scene::new().await;
    for payload in ["one", "two", "three"] {
        scene.write(payload).await;
    }
    scene.settle().await;
    let page = outbox::read(scene.db(), "sample", Cursor::default(), 100)
        .await
        .unwrap();
    let [_, two, three] = [0, 1, 2].map(|n: usize| page.events[n].cursor);
    let save = |name, cursor| save_cursor(scene.db(), "sample", name, cursor);
    save("quick", three).await.unwrap();

    // A consumer that never ran keeps everything, however old.
    scene.clock.advance(30 * DAY);
    assert_eq!(scene.prune().await, 0);
    save("slow", two).await.unwrap();
    // So does one that has not begun anew after a restore, although its numbers are higher.
    let older = Cursor { epoch: 0, ..three };
    save("slow", older).await.unwrap();
    assert_eq!(scene.prune().await, 0);
    save("slow", two).await.unwrap();
    assert_eq!(scene.prune().await, 2);
    assert_eq!(scene.left().await, ["three"]);

    // Passed by all, but young.
    scene.write("four").await;
    scene.settle().await;
    let next = scene.payloads_after(three).await.1;
    save("quick", next).await.unwrap();
    save("slow", next).await.unwrap();
    scene.clock.advance(6 * DAY);
    assert_eq!(scene.prune().await, 1);
    assert_eq!(scene.left().await, ["four"]);
    scene.clock.advance(2 * DAY);
    assert_eq!(scene.prune().await, 1);
    assert!(scene.left().await.is_empty());
}
