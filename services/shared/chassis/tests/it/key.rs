//! Keys of request contexts: private files only, and replacing one without a pause.

use crate::lamp::{HandClock, context};
use netpatch_chassis::ContextKeys;
use netpatch_types::SharedClock;
use std::sync::Arc;

#[test]
fn keys_come_from_a_private_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("context.pem");
    // RFC 8410, section 10.3.
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    std::fs::write(&path, pem).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(
        ContextKeys::from_file(&path)
            .unwrap_err()
            .to_string()
            .contains("0600")
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let public = folder.path().join("public.pem");
    std::fs::write(
        &public,
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n",
    )
    .unwrap();
    let clock: SharedClock = Arc::new(HandClock::new());
    let ctx = context(&*clock);
    let token = ContextKeys::from_file(&path)
        .unwrap()
        .signer(Arc::clone(&clock))
        .sign("lamp", &ctx)
        .unwrap();
    let other = ContextKeys::random();
    assert!(
        other
            .verifier(Arc::clone(&clock))
            .verify("lamp", &token)
            .is_err()
    );
    let trusting = other.trusting(&public).unwrap();
    assert_eq!(trusting.verifier(clock).verify("lamp", &token), Ok(ctx));
    std::fs::write(&path, "no key").unwrap();
    assert!(
        ContextKeys::from_file(&path)
            .unwrap_err()
            .to_string()
            .contains("PKCS#8")
    );
    assert!(ContextKeys::from_file(&folder.path().join("absent")).is_err());
}
