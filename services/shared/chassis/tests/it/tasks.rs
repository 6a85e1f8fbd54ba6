//! A task always has an owner.

use netpatch_chassis::{BoxError, TaskError, Tasks};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn tasks_end_when_told() {
    let mut tasks = Tasks::new();
    let stop = tasks.stop_token();
    tasks.spawn("patient", async move {
        stop.cancelled().await;
        Ok::<(), BoxError>(())
    });
    assert!(tasks.finish(LONG).await.is_ok());
}

#[tokio::test]
async fn the_first_failure_is_reported_by_name() {
    let mut tasks = Tasks::new();
    tasks.spawn("fine", async { Ok::<(), BoxError>(()) });
    tasks.spawn("broken", async { Err("no disk") });
    let error = tasks.watch().await.unwrap_err();
    assert_eq!(error.to_string(), "task broken: no disk");
}

#[tokio::test]
async fn a_panic_is_reported_by_name() {
    let mut tasks = Tasks::new();
    tasks.spawn("wild", async {
        if true {
            panic!("a test panics on purpose");
        }
        Ok::<(), BoxError>(())
    });
    assert!(matches!(tasks.watch().await, Err(TaskError::Panicked { name }) if name == "wild"));
}

#[tokio::test]
async fn a_task_that_does_not_end_is_named_and_cut() {
    let held = Arc::new(());
    let mut tasks = Tasks::new();
    let inside = Arc::clone(&held);
    tasks.spawn("deaf", async move {
        let _inside = inside;
        std::future::pending::<Result<(), BoxError>>().await
    });
    let error = tasks.finish(Duration::from_millis(20)).await.unwrap_err();
    assert!(
        error.to_string().contains("deaf") && error.to_string().contains("20 ms"),
        "{error}"
    );
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test]
async fn dropping_the_owner_stops_its_tasks() {
    let (alive, dead) = oneshot::channel::<()>();
    let mut tasks = Tasks::new();
    let stop = tasks.stop_token();
    tasks.spawn("owned", async move {
        let _alive = alive;
        std::future::pending::<Result<(), BoxError>>().await
    });
    drop(tasks);
    assert!(dead.await.is_err());
    assert!(stop.is_cancelled());
}

#[tokio::test]
async fn an_outer_end_reaches_inner_tasks() {
    let outer = Tasks::new();
    let inner = Tasks::within(&outer.stop_token());
    let token = inner.stop_token();
    drop(outer);
    token.cancelled().await;
}
