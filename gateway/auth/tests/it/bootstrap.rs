//! The first administrator.

use crate::world::{World, code};
use netpatch_auth::{BootstrapAdmin, OrganizationKind, SessionKind};
use netpatch_types::{ErrorCode, Permission};

#[tokio::test]
async fn the_first_administrator_is_made_once_and_leaves_no_password_behind() {
    let world = World::new().await;
    let admin = world.auth.bootstrap().await.unwrap().unwrap();
    assert_eq!(world.auth.bootstrap().await.unwrap(), None);
    let shown: BootstrapAdmin =
        serde_json::from_slice(&std::fs::read(world.key_file("bootstrap-admin")).unwrap()).unwrap();
    assert_eq!(shown, admin);

    // It owns the platform's organization and nothing else.
    let sign_in = |password: &str| {
        let password = password.to_owned();
        async {
            world
                .auth
                .sign_in("Admin@localhost ", password, SessionKind::Cookie)
                .await
        }
    };
    let session = sign_in(&admin.password).await.unwrap();
    let principal = world
        .auth
        .session_principal(&session.token, SessionKind::Cookie)
        .await
        .unwrap();
    assert_eq!(principal.access.len(), 1);
    let ctx = principal.context_for(principal.home, world.now()).unwrap();
    assert!(Permission::ALL.iter().all(|right| ctx.can(*right)));
    let own = world.auth.organization_list(&ctx).await.unwrap();
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].kind, OrganizationKind::Partner);

    // Changing the password ends sessions and removes the file; the old one is worth nothing.
    let change = |old: &str, new: &str| {
        let (old, new) = (old.to_owned(), new.to_owned());
        let principal = principal.clone();
        let auth = world.auth.clone();
        async move { auth.password_change(&principal, old, new).await }
    };
    let short = change(&admin.password, "elevenchars").await.unwrap_err();
    assert_eq!(short.path, ["newPassword"]);
    let wrong = change("not the old one", "twelve chars").await.unwrap_err();
    assert_eq!(wrong.path, ["oldPassword"]);
    assert!(world.key_file("bootstrap-admin").exists());
    change(&admin.password, "twelve chars").await.unwrap();
    assert!(!world.key_file("bootstrap-admin").exists());
    let ended = world
        .auth
        .session_principal(&session.token, SessionKind::Cookie)
        .await;
    assert_eq!(code(ended), ErrorCode::Unauthenticated);
    assert_eq!(
        code(sign_in(&admin.password).await),
        ErrorCode::Unauthenticated
    );
    sign_in("twelve chars").await.unwrap();
    assert_eq!(world.restarted().bootstrap().await.unwrap(), None);
    assert!(!world.key_file("bootstrap-admin").exists());
}

#[tokio::test]
async fn a_crash_before_the_user_exists_repeats_the_same_password() {
    let world = World::new().await;
    // The file of a start that went no further.
    let written = BootstrapAdmin {
        email: "admin@localhost".into(),
        password: "written before the crash".into(),
    };
    std::fs::write(
        world.key_file("bootstrap-admin"),
        serde_json::to_vec(&written).unwrap(),
    )
    .unwrap();
    assert_eq!(world.auth.bootstrap().await.unwrap(), Some(written.clone()));
    let auth = world.restarted();
    auth.sign_in(&written.email, written.password, SessionKind::Bearer)
        .await
        .unwrap();
}
