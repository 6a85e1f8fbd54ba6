use crate::world::{Authority, Edge, clock, limits};
use netpatch_relay::DataDir;
use netpatch_relay::claim::{Claim, ClaimError};
use netpatch_types::Sha256;

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

    async fn token(&self, platform_root: Sha256, secret: &str) -> Result<(), ClaimError> {
        let clock = clock();
        let claim = Claim {
            server: self.server.as_str().into(),
            platform_root,
            data: &self.data,
            clock: &clock,
            limits: limits(),
        };
        claim.by_token(secret).await.map(|_| ())
    }
}

#[tokio::test]
async fn a_person_types_the_code_and_the_relay_gets_its_certificate() {
    let ready = Ready::new().await;
    let clock = clock();
    let claim = Claim {
        server: ready.server.as_str().into(),
        platform_root: ready.edge.platform.fingerprint(),
        data: &ready.data,
        clock: &clock,
        limits: limits(),
    };
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
