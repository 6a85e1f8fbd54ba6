//! No table of the platform is without its lock.

use crate::sandbox::migrations;
use netpatch_storage::hole_test;
use netpatch_testkit::TestDatabase;

#[tokio::test]
async fn every_table_is_listed_and_locked() {
    let test = TestDatabase::new(&migrations()).await;
    let holes = hole_test(test.database()).await.unwrap();
    assert!(holes.is_empty(), "{holes:#?}");
}
