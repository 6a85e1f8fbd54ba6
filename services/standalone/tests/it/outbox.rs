//! Pruning waits for exactly those who read.

use crate::sandbox::migrations;
use netpatch_storage::outbox::{CONSUMERS, prune};
use netpatch_storage::tables;
use netpatch_testkit::{ManualClock, TestDatabase};
use netpatch_types::Clock as _;
use std::time::Duration;

#[tokio::test]
async fn every_outbox_has_its_consumers_and_can_be_pruned() {
    let test = TestDatabase::new(&migrations()).await;
    let now = ManualClock::shared().now();
    let list = tables::platform().unwrap();
    let outboxes = list.keys().filter_map(|name| name.strip_suffix(".outbox"));
    for schema in outboxes {
        let readers: Vec<_> = CONSUMERS
            .into_iter()
            .filter(|reader| reader.source == schema)
            .collect();
        assert!(!readers.is_empty(), "nobody reads {schema}.outbox");
        // Reads each consumer's cursor and may delete: the tables and rights are there.
        let pruned = prune(test.database(), schema, &readers, now, Duration::ZERO).await;
        assert_eq!(pruned.unwrap(), 0, "{schema}");
    }
}
