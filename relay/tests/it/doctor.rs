//! What `netpatch-relay doctor` finds.

use crate::world::{Authority, Edge, clock, config};
use netpatch_protocol::SubjectKind;
use netpatch_relay::{DataDir, Enrolment, doctor};
use netpatch_tunnel::identity::certificate_request;
use serde_json::Value;

/// Status of each check by its id.
async fn examined(data: &DataDir) -> impl Fn(&str) -> (String, String) {
    let report = doctor::examine(data, &config(), &clock()).await.to_json();
    move |id| {
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["id"] == id);
        let check = check.unwrap_or_else(|| panic!("no {id}: {report}"));
        let text = |field: &str| match &check[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (text("status"), text("measured"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_let_in_and_one_that_is_not() {
    let (edge, folder) = (Edge::start().await, tempfile::tempdir().unwrap());
    let good = edge.claimed(&folder.path().join("good"));
    let of = examined(&good).await;
    for id in [
        "identity.key",
        "identity.certificate",
        "cache.folder",
        "edge.udp",
        "edge.tcp",
        "edge.admission",
    ] {
        assert_eq!(of(id).0, "ok", "{id}: {:?}", of(id));
    }
    assert!(of("edge.udp").1.contains(&edge.address.to_string()));
    assert!(of("limits.files").1.parse::<u64>().unwrap() > 0);

    // Its certificate is good to look at, but this edge does not know who made it: as after a revocation.
    let stranger = DataDir::open(&folder.path().join("stranger")).unwrap();
    let csr = certificate_request(&stranger.key().unwrap()).unwrap();
    let (certificate, relay_id) = Authority::new().certify(SubjectKind::Relay, csr);
    let enrolment = Enrolment {
        certificate,
        relay_id,
        ..good.enrolment().unwrap().unwrap()
    };
    stranger.save_enrolment(&enrolment).unwrap();
    let of = examined(&stranger).await;
    assert_eq!(of("edge.udp").0, "ok", "{:?}", of("edge.udp"));
    assert_eq!(of("edge.admission").0, "fail", "{:?}", of("edge.admission"));
    assert!(
        of("edge.admission").1.contains("not accepted"),
        "{:?}",
        of("edge.admission")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_cannot_be_reached_fails_both_ways() {
    let (edge, folder) = (Edge::start().await, tempfile::tempdir().unwrap());
    let data = edge.claimed(folder.path());
    let enrolment = Enrolment {
        server: "edge.invalid:443".into(),
        ..data.enrolment().unwrap().unwrap()
    };
    data.save_enrolment(&enrolment).unwrap();
    let of = examined(&data).await;
    for id in ["edge.udp", "edge.tcp"] {
        assert_eq!(of(id).0, "fail", "{:?}", of(id));
        assert!(of(id).1.contains("edge.invalid"), "{:?}", of(id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_makes_nothing_and_sees_whose_the_cache_is() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("not/there");
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_netpatch-relay"));
    let program = program
        .args(["doctor", "-o", "json", "--data-dir"])
        .arg(&place);
    let output = program.output().await.unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(said["status"], "fail", "{said}");
    assert!(!folder.path().join("not").exists());
    let nothing = DataDir::at(&place);
    let of = examined(&nothing).await;
    assert_eq!(of("identity.key").0, "fail");
    assert_eq!(
        of("cache.folder"),
        ("ok".into(), "made at the first start".into())
    );
    // How much that is depends on the machine.
    assert!(
        of("disk.free").1.ends_with(" bytes"),
        "{:?}",
        of("disk.free")
    );
    // A claimed relay that has not been started.
    let edge = Edge::start().await;
    let data = edge.claimed(&place);
    let of = examined(&data).await;
    assert_eq!(of("cache.folder").0, "ok");
    assert!(!data.join("cache").exists());
    // As an earlier doctor left it behind when root started it.
    std::fs::create_dir(data.join("cache")).unwrap();
    if std::os::unix::fs::chown(data.join("cache"), Some(4_711), None).is_ok() {
        let of = examined(&data).await;
        assert_eq!(of("cache.folder").0, "fail");
        assert!(
            of("cache.folder").1.contains("4711"),
            "{:?}",
            of("cache.folder")
        );
    }
}
