use crate::world::{Authority, Edge, clock, limits};
use netpatch_relay::claim::{Claim, ClaimError};
use netpatch_relay::{DataDir, PendingClaim};
use netpatch_types::{Sha256, SharedClock};
use std::sync::atomic::Ordering::Relaxed;

struct Ready {
    edge: Edge,
    data: DataDir,
    server: String,
    _folder: tempfile::TempDir,
}

impl Ready {
    async fn new() -> Self {
        let (edge, folder) = (Edge::start().await, tempfile::tempdir().unwrap());
        Self {
            server: edge.address.to_string(),
            data: DataDir::open(folder.path()).unwrap(),
            edge,
            _folder: folder,
        }
    }

    fn claim<'a>(&'a self, platform_root: Sha256, clock: &'a SharedClock) -> Claim<'a> {
        Claim {
            server: self.server.as_str().into(),
            platform_root,
            data: &self.data,
            clock,
            limits: limits(),
        }
    }

    async fn token(&self, platform_root: Sha256, secret: &str) -> Result<(), ClaimError> {
        let clock = clock();
        let claim = self.claim(platform_root, &clock);
        claim.by_token(secret).await.map(|_| ())
    }
}

#[tokio::test]
async fn a_person_types_the_code_and_the_relay_gets_its_certificate() {
    let ready = Ready::new().await;
    let clock = clock();
    let claim = ready.claim(ready.edge.platform.fingerprint(), &clock);
    let desk = ready.edge.desk.clone();
    let enrolment = claim
        .by_code(|pending| {
            assert_eq!(pending.claim_code, "BCDF-GHJK");
            *desk.approved.lock().unwrap() = true;
        })
        .await
        .expect("claimed");
    assert_eq!(enrolment.site_id, "a-site");
    assert_eq!(ready.data.enrolment().unwrap(), Some(enrolment));
    let again = claim.by_token("a-good-claim-token").await;
    assert!(matches!(again, Err(ClaimError::Claimed(_))));
}

#[tokio::test]
async fn a_token_claims_without_a_person_and_a_wrong_one_does_not() {
    let ready = Ready::new().await;
    let root = ready.edge.platform.fingerprint();
    let refused = ready.token(root, "a-wrong-claim-token").await;
    assert!(matches!(refused, Err(ClaimError::Refused { .. })));
    assert_eq!(ready.data.enrolment().unwrap(), None);
    ready
        .token(root, "a-good-claim-token")
        .await
        .expect("claimed");
}

#[tokio::test]
async fn a_platform_with_another_root_claims_nothing() {
    let ready = Ready::new().await;
    let other = Authority::new().fingerprint();
    let refused = ready.token(other, "a-good-claim-token").await;
    assert!(matches!(refused, Err(ClaimError::Tunnel(_))));
    assert_eq!(ready.data.enrolment().unwrap(), None);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::open(folder.path()).unwrap();
    let fingerprint = data.fingerprint().unwrap();
    assert_eq!(data.fingerprint().unwrap(), fingerprint, "the key stays");
    let path = folder.path().join("key.der");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = data.key().expect_err("refused").to_string();
    assert!(error.contains("644"), "{error}");
}

#[tokio::test]
async fn a_relay_that_was_killed_while_it_waited_asks_for_the_same_claim() {
    let ready = Ready::new().await;
    let clock = clock();
    let claim = ready.claim(ready.edge.platform.fingerprint(), &clock);
    let mut shown = None;
    let waiting = claim.by_code(|pending| shown = Some(pending.clone()));
    // Dropped as by kill -9, once it is kept.
    let kept = async {
        while ready.data.pending_claim().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = waiting => panic!("nobody typed the code: {done:?}"),
        () = kept => {}
    }
    let kept = ready.data.pending_claim().unwrap().expect("a claim waits");
    // Meanwhile a person has typed it.
    *ready.edge.desk.approved.lock().unwrap() = true;
    let mut again = None;
    claim
        .by_code(|pending| again = Some(pending.clone()))
        .await
        .expect("claimed");
    assert_eq!(again, Some(kept));
    assert_eq!(ready.edge.desk.claims.load(Relaxed), 1);
    assert_eq!(ready.data.pending_claim().unwrap(), None);
}

#[tokio::test]
async fn a_kept_claim_that_is_another_platforms_damaged_or_over_is_not_asked_for_again() {
    let ready = Ready::new().await;
    let clock = clock();
    let root = ready.edge.platform.fingerprint();
    let claim = Claim {
        server: ready.server.as_str().into(),
        platform_root: root,
        data: &ready.data,
        clock: &clock,
        limits: limits(),
    };
    let kept = PendingClaim {
        server: ready.server.clone(),
        platform_root: root.to_string(),
        device_code: "device".into(),
        claim_code: "KKKK-KKKK".into(),
        expires_at_ms: clock.now().timestamp_millis() + 60_000,
        interval_seconds: 1,
    };
    let elsewhere = PendingClaim {
        platform_root: Authority::new().fingerprint().to_string(),
        ..kept.clone()
    };
    let over = PendingClaim {
        expires_at_ms: clock.now().timestamp_millis() - 1,
        ..kept.clone()
    };
    let path = ready.data.join("claim.json");
    let mut texts: Vec<Vec<u8>> = [elsewhere, over]
        .iter()
        .map(|claim| serde_json::to_vec(claim).unwrap())
        .collect();
    texts.extend([
        b"\xff{".to_vec(),
        b"{\"claim_code\": 7}".to_vec(),
        Vec::new(),
    ]);
    for text in texts {
        std::fs::write(&path, text).unwrap();
        let mut shown = String::new();
        let waiting = claim.by_code(|pending| shown.clone_from(&pending.claim_code));
        let kept = async {
            let is_new = |kept: &PendingClaim| kept.claim_code == "BCDF-GHJK";
            while !ready
                .data
                .pending_claim()
                .unwrap()
                .is_some_and(|kept| is_new(&kept))
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            done = waiting => panic!("nobody typed the code: {done:?}"),
            () = kept => {}
        }
    }
    // The platform says that it is over: a new one has to be asked for.
    ready.data.save_pending_claim(&kept).unwrap();
    *ready.edge.desk.ended.lock().unwrap() = true;
    let ended = claim.by_code(|pending| assert_eq!(pending.claim_code, "KKKK-KKKK"));
    assert!(matches!(ended.await, Err(ClaimError::Expired)));
    assert_eq!(ready.data.pending_claim().unwrap(), None);
}
