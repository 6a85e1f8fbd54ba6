//! The program of its own: over a socket, with a signed request context and not without.

use netpatch_chassis::{ContextKeys, Remote, wire};
use netpatch_inventory_api::*;
use netpatch_testkit::{ServiceProcess, TestDatabase, test_context};
use netpatch_types::{ErrorCode, SystemClock};
use std::sync::Arc;

#[tokio::test]
async fn it_serves_over_a_socket_and_ends_in_order() {
    let test = TestDatabase::new(&[netpatch_inventory::migrations()]).await;
    let program = env!("CARGO_BIN_EXE_netpatch-inventory");
    let process = ServiceProcess::start(program, &test, "").await;
    process.owes("inventory", "host_list").await;

    let clock = SystemClock::shared();
    let ctx = test_context(clock.now());
    let url = process.url();
    let signed_by = |keys: ContextKeys| -> Arc<dyn InventoryApi> {
        let remote = Remote {
            url: Some(&url),
            signer: &keys.signer(clock.clone()),
        };
        wire(None, &remote).expect("an address")
    };
    let own = signed_by(ContextKeys::from_file(&process.key_file()).expect("the key"));
    let page = own.host_list(&ctx, HostList::default()).await;
    assert!(page.expect("served").rows.is_empty());
    let stranger = signed_by(ContextKeys::random());
    let refused = stranger.host_list(&ctx, HostList::default()).await;
    assert_eq!(
        refused.expect_err("refused").code,
        ErrorCode::Unauthenticated
    );
    assert!(process.stop().await.success());
}
