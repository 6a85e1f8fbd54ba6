//! What happens in identity reaches the ledger.

use crate::world::World;
use netpatch_auth::Role;
use netpatch_storage::outbox;
use netpatch_testkit::poll_until;
use netpatch_types::{OrganizationId, ServiceError};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::AbortHandle;

const LONG: Duration = Duration::from_secs(20);

impl World {
    /// Ends when it is aborted, as by kill -9, or with the test.
    fn carry(&self) -> AbortHandle {
        let run = netpatch_gateway::ledger::run(self.state.apis().clone(), self.stop.clone());
        tokio::spawn(run).abort_handle()
    }

    /// The calls for an organization, each with its entries.
    fn appended(&self, of: OrganizationId) -> Vec<Vec<Value>> {
        let calls = self.script.calls().into_iter();
        calls
            .filter(|call| call.method == "ledger_append" && call.ctx.write == Some(of))
            .map(|call| call.body["entries"].as_array().unwrap().clone())
            .collect()
    }

    /// The actions of an organization's entries as they came.
    fn actions(&self, of: OrganizationId) -> Vec<String> {
        let entries = self.appended(of).concat();
        let action = |entry: &Value| entry["action"].as_str().unwrap().to_owned();
        entries.iter().map(action).collect()
    }

    async fn until_signed_in(&self, of: OrganizationId, times: usize) {
        poll_until("the sign-in in the ledger", LONG, async || {
            let actions = self.actions(of);
            let found = actions.iter().filter(|action| *action == "user.signed_in");
            (found.count() >= times).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn identity_events_are_appended_in_order_and_once_after_a_restart() {
    let world = World::new().await;
    world.bearer(world.own, Role::Owner).await;
    world.database.settle("identity").await;
    let task = world.carry();
    world.until_signed_in(world.own, 1).await;
    // A page of two organizations' events is a call for each.
    let calls = world.appended(world.own);
    assert_eq!(calls.len(), 1, "{calls:?}");
    let history = ["organization.created", "user.created", "user.signed_in"];
    assert_eq!(world.actions(world.own), history);
    assert_eq!(world.actions(world.foreign), history[..1]);
    let sign_in = &calls[0][2];
    assert_eq!(
        (
            &sign_in["actor"]["display"],
            &sign_in["details"]["actor_kind"]
        ),
        (&json!("owner"), &json!("user"))
    );
    task.abort();

    // The cursor may not have been kept; then the same page comes again, and the ledger knows it by its events.
    world.script.forget();
    let task = world.carry();
    world.bearer(world.own, Role::Auditor).await;
    world.database.settle("identity").await;
    world.until_signed_in(world.own, 1).await;
    poll_until("the second sign-in", LONG, async || {
        let actions = world.actions(world.own);
        actions
            .ends_with(&history.map(str::to_owned)[1..])
            .then_some(())
    })
    .await;
    task.abort();
    let calls = world.appended(world.own);
    assert!(
        calls.concat().len() <= 2 + 3,
        "the whole history again: {calls:?}"
    );
}

/// Refused, or recorded and the answer lost: the gateway cannot tell, and sends the same event again.
#[tokio::test]
async fn an_entry_without_an_answer_holds_up_those_behind_it_and_is_sent_again() {
    let world = World::new().await;
    world.bearer(world.own, Role::Owner).await;
    world.database.settle("identity").await;
    let lost = Arc::new(AtomicBool::new(true));
    let loses = lost.clone();
    world.script.answer_with(move |method, body| {
        let entries = body["entries"].as_array()?;
        let mut actions = entries.iter().map(|entry| &entry["action"]);
        let refuses = method == "ledger_append"
            && loses.load(Ordering::SeqCst)
            && actions.any(|action| action == "user.signed_in");
        refuses.then(|| Err(ServiceError::unavailable("ledger")))
    });
    let task = world.carry();
    let calls = poll_until("several tries", LONG, async || {
        let calls = world.appended(world.own);
        (calls.len() >= 6).then_some(calls)
    })
    .await;
    let whole = &calls[0];
    assert_eq!(whole.len(), 3);
    for (call, entry) in calls[1..].iter().zip([0, 1, 2, 2, 2]) {
        assert_eq!(*call, [whole[entry].clone()]);
    }
    lost.store(false, Ordering::SeqCst);
    world.bearer(world.own, Role::Auditor).await;
    world.database.settle("identity").await;
    poll_until("what lies behind it", LONG, async || {
        let call = world.appended(world.own).pop()?;
        (call.last()?["actor"]["display"] == "auditor").then_some(())
    })
    .await;
    task.abort();
}

#[tokio::test]
async fn an_event_of_another_version_is_left_out_and_its_neighbours_are_not() {
    let world = World::new().await;
    let (email, password) = world.person(world.own, Role::Owner).await;
    let tx = world
        .database
        .database()
        .write(&world.system(world.own))
        .await
        .unwrap();
    let payload = json!({"version": "of another day"});
    outbox::append(&tx, "identity", "identity", &payload, &*world.clock)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.sign_in(&email, &password).await;
    world.database.settle("identity").await;
    let task = world.carry();
    world.until_signed_in(world.own, 1).await;
    task.abort();
    assert_eq!(
        world.actions(world.own),
        ["organization.created", "user.created", "user.signed_in"]
    );
}
