//! The table of rights in the documentation is what is implemented.

use crate::world::{World, code};
use netpatch_auth::{Role, SessionKind, UserCreate};
use netpatch_types::{ErrorCode, Permission};
use std::collections::BTreeSet;

#[test]
fn the_documented_table_is_the_implemented_one() {
    let text = include_str!("../../../../infra/docs/permissions.md");
    let mut rows = text
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| -> Vec<&str> {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().trim_matches('`')).collect()
        });
    let head = rows.next().unwrap();
    let roles: Vec<Role> = head[1..]
        .iter()
        .map(|word| Role::from_word(&word.to_lowercase().replace(' ', "_")).unwrap())
        .collect();
    assert_eq!(roles.iter().collect::<BTreeSet<_>>().len(), Role::ALL.len());
    let mut documented = BTreeSet::new();
    for row in rows.skip(1) {
        let word = serde_json::Value::from(row[0]);
        let right: Permission = serde_json::from_value(word).unwrap();
        documented.insert(right);
        for (role, cell) in roles.iter().zip(&row[1..]) {
            let allowed = role.permissions().contains(&right);
            assert_eq!(*cell == "yes", allowed, "{role:?} {right:?}");
        }
    }
    assert_eq!(documented, Permission::ALL.into());
}

#[tokio::test]
async fn a_grant_for_one_site_ends_there() {
    let world = World::new().await;
    let (partner, customer) = (world.partner().await, world.customer().await);
    let (near, far) = (
        world.site(partner, "Near").await.id,
        world.site(partner, "Far").await.id,
    );
    let create = UserCreate {
        email: "near@example.com".into(),
        name: "Near".into(),
        roles: vec![Role::Owner],
    };
    let (_, password) = world
        .auth
        .user_create(&world.person(partner), create)
        .await
        .unwrap();
    // The whole partner has a customer; this person has one site.
    let until = world.now() + chrono::Duration::days(1);
    let asked = world
        .auth
        .delegation_create(&world.person(partner), customer, &[Role::Owner], until)
        .await
        .unwrap();
    world
        .auth
        .delegation_decide(&world.person(customer), asked.id, true, "")
        .await
        .unwrap();
    world
        .change(
            partner,
            &format!("update identity.grants set sites = '[\"{near}\"]'"),
        )
        .await;
    let session = world
        .auth
        .sign_in("near@example.com", password, SessionKind::Bearer)
        .await
        .unwrap();
    let principal = world
        .auth
        .session_principal(&session.token, SessionKind::Bearer)
        .await
        .unwrap();
    assert_eq!(principal.access.len(), 1);
    assert!(principal.context_for_all(world.now()).read.is_empty());
    let ctx = principal.context_for(partner, world.now()).unwrap();
    let sites = world.auth.site_list(&ctx).await.unwrap();
    assert_eq!(sites.iter().map(|site| site.id).collect::<Vec<_>>(), [near]);
    world.auth.site_get(&ctx, near).await.unwrap();
    assert_eq!(
        code(world.auth.site_get(&ctx, far).await),
        ErrorCode::NotFound
    );
    // An owner of one site administrates nothing beyond it.
    let more = world
        .auth
        .site_create(&ctx, crate::world::site("More"))
        .await;
    assert_eq!(code(more), ErrorCode::Forbidden);
}

#[tokio::test]
async fn administrators_see_who_is_here_and_nobody_of_elsewhere() {
    let world = World::new().await;
    let (one, other) = (world.customer().await, world.customer().await);
    let create = |email: &str, roles: &[Role]| UserCreate {
        email: email.into(),
        name: email.split('@').next().unwrap_or_default().to_uppercase(),
        roles: roles.to_vec(),
    };
    for (of, create) in [
        (
            one,
            create("zoe@example.com", &[Role::Approver, Role::Technician]),
        ),
        (one, create("amy@example.com", &[Role::Owner])),
        (other, create("eve@example.com", &[Role::Owner])),
    ] {
        let ctx = world.person(of);
        world.auth.user_create(&ctx, create).await.unwrap();
    }
    let members = world.auth.member_list(&world.person(one)).await.unwrap();
    let shown: Vec<_> = members
        .iter()
        .map(|member| (member.user.email.as_str(), member.roles.as_slice()))
        .collect();
    assert_eq!(
        shown,
        [
            ("amy@example.com", &[Role::Owner][..]),
            ("zoe@example.com", &[Role::Technician, Role::Approver][..]),
        ]
    );
    assert!(members.iter().all(|member| member.active));
    let mut technician = world.person(one);
    technician.permissions.remove(&Permission::Admin);
    let refused = world.auth.member_list(&technician).await;
    assert_eq!(code(refused), ErrorCode::Forbidden);
}
