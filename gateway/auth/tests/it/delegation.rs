//! Partners acting for customers.

use crate::world::{World, code, site};
use chrono::Duration;
use netpatch_auth::{
    ApiClientCreate, Delegation, DelegationStatus, OrganizationKind, Principal, Role, UserCreate,
};
use netpatch_types::*;

/// A person of the partner, as the next request would find them. An API client stands in: it holds any rights without the
/// work of a password, and is looked up the same way.
async fn partner_person(world: &World, partner: OrganizationId, rights: &[Permission]) -> Looker {
    let create = ApiClientCreate {
        name: "looker".into(),
        permissions: rights.iter().copied().collect(),
    };
    let created = world
        .auth
        .api_client_create(&world.person(partner), create)
        .await
        .unwrap();
    let id = created.client.id.public(partner);
    Looker {
        id,
        secret: created.secret,
    }
}

struct Looker {
    id: String,
    secret: String,
}

impl Looker {
    async fn principal(&self, world: &World) -> Principal {
        let token = world
            .auth
            .client_token(&self.id, &self.secret)
            .await
            .unwrap();
        world.auth.token_principal(&token.token).await.unwrap()
    }

    async fn context(
        &self,
        world: &World,
        organization: OrganizationId,
    ) -> ServiceResult<RequestContext> {
        self.principal(world)
            .await
            .context_for(organization, world.now())
    }
}

async fn ask(
    world: &World,
    partner: OrganizationId,
    customer: OrganizationId,
    roles: &[Role],
) -> Delegation {
    let until = world.now() + Duration::days(30);
    world
        .auth
        .delegation_create(&world.person(partner), customer, roles, until)
        .await
        .unwrap()
}

async fn decide(
    world: &World,
    ctx: &RequestContext,
    id: DelegationId,
    approve: bool,
) -> ServiceResult<Delegation> {
    world
        .auth
        .delegation_decide(ctx, id, approve, "as agreed")
        .await
}

/// The partner's person as they act at the customer.
fn acting(world: &World, partner: OrganizationId, customer: OrganizationId) -> RequestContext {
    let mut ctx = world.person(customer);
    ctx.actor.home = partner;
    ctx.actor.delegation = Some(uuid::Uuid::from_u128(9));
    ctx
}

#[tokio::test]
async fn a_pending_delegation_gives_nothing_an_approved_one_the_common_rights_until_it_ends() {
    let world = World::new().await;
    let (partner, customer) = (world.partner().await, world.customer().await);
    let rights = [Permission::Read, Permission::Scan, Permission::LedgerRead];
    let looker = partner_person(&world, partner, &rights).await;
    let nothing = async || {
        let answer = looker.context(&world, customer).await;
        assert_eq!(code(answer), ErrorCode::NotFound);
    };
    nothing().await;
    let asked = ask(&world, partner, customer, &[Role::Technician]).await;
    assert_eq!(asked.status, DelegationStatus::Pending);
    nothing().await;
    let everywhere = looker.principal(&world).await;
    let everywhere = everywhere.context_for_all(world.now());
    assert_eq!(everywhere.read, [partner]);

    // The customer sees and approves it; the partner cannot.
    let own = world.person(customer);
    let seen = world.auth.delegation_list(&own).await.unwrap();
    assert_eq!(seen, std::slice::from_ref(&asked));
    let itself = decide(&world, &acting(&world, partner, customer), asked.id, true).await;
    assert_eq!(code(itself), ErrorCode::Forbidden);
    let mut program = own.clone();
    program.actor.kind = ActorKind::ApiClient;
    let program = decide(&world, &program, asked.id, true).await;
    assert_eq!(code(program), ErrorCode::Forbidden);
    let at_home = decide(&world, &world.person(partner), asked.id, true).await;
    assert_eq!(code(at_home), ErrorCode::NotFound);
    nothing().await;
    let active = decide(&world, &own, asked.id, true).await.unwrap();
    assert_eq!(active.status, DelegationStatus::Active);
    assert_eq!(
        code(decide(&world, &own, asked.id, true).await),
        ErrorCode::InvalidState
    );

    // The person has no right to stop, a technician none to read the ledger: both are missing.
    let ctx = looker.context(&world, customer).await.unwrap();
    let common = [Permission::Read, Permission::Scan];
    assert_eq!(ctx.permissions, common.into());
    assert_eq!(ctx.actor.delegation, Some(asked.id.0));
    assert_eq!(ctx.read, [customer]);
    let all = looker.principal(&world).await;
    let all = all.context_for_all(world.now());
    assert_eq!(all.read, [partner, customer]);

    // Revoked: gone with the next request.
    decide(&world, &own, asked.id, false).await.unwrap();
    nothing().await;
    assert_eq!(
        code(decide(&world, &own, asked.id, true).await),
        ErrorCode::InvalidState
    );

    // Expired: the same; and what has expired is not approved.
    let again = ask(&world, partner, customer, &[Role::Technician]).await;
    let late = ask(&world, partner, customer, &[Role::Auditor]).await;
    assert_eq!(
        code(decide(&world, &own, again.id, true).await),
        ErrorCode::InvalidState,
        "a newer request took its place"
    );
    decide(&world, &own, late.id, true).await.unwrap();
    looker.context(&world, customer).await.unwrap();
    let slow = ask(&world, partner, customer, &[Role::Owner]).await;
    world.pass(30 * 86_400);
    nothing().await;
    let listed = world.auth.delegation_list(&own).await.unwrap();
    let late = listed.iter().find(|known| known.id == late.id).unwrap();
    assert_eq!(late.status, DelegationStatus::Expired);
    assert_eq!(
        code(decide(&world, &own, slow.id, true).await),
        ErrorCode::InvalidState
    );
}

#[tokio::test]
async fn asking_tells_nothing_about_who_exists() {
    let world = World::new().await;
    let (partner, customer) = (world.partner().await, world.customer().await);
    let nobody = OrganizationId::new(world.now());
    let known = ask(&world, partner, customer, &[Role::Owner]).await;
    let unknown = ask(&world, partner, nobody, &[Role::Owner]).await;
    let without_ids = |delegation: &Delegation| Delegation {
        id: DelegationId(uuid::Uuid::nil()),
        customer: nobody,
        ..delegation.clone()
    };
    assert_eq!(without_ids(&known), without_ids(&unknown));
    // Nor does anything that the partner can read afterwards.
    let ctx = world.person(partner);
    assert!(world.auth.delegation_list(&ctx).await.unwrap().is_empty());
    assert_eq!(world.count(partner, "delegated_customers").await, 0);
    for delegation in [known, unknown] {
        let answer = decide(&world, &ctx, delegation.id, false).await;
        assert_eq!(code(answer), ErrorCode::NotFound);
    }
    // Only partners ask, for sensible times, for others.
    let ask = async |ctx: &RequestContext, whom, days| {
        let until = world.now() + Duration::days(days);
        let auth = &world.auth;
        auth.delegation_create(ctx, whom, &[Role::Owner], until)
            .await
    };
    let own = world.person(customer);
    assert_eq!(code(ask(&own, partner, 30).await), ErrorCode::Forbidden);
    let through = acting(&world, partner, customer);
    assert_eq!(code(ask(&through, nobody, 30).await), ErrorCode::Forbidden);
    for days in [0, -1, 731] {
        let error = ask(&ctx, customer, days).await.unwrap_err();
        assert_eq!(error.path, ["expiresAt"]);
    }
    assert_eq!(ask(&ctx, partner, 30).await.unwrap_err().path, ["roles"]);
}

#[tokio::test]
async fn a_partner_makes_a_customer_and_acts_there_but_does_not_become_it() {
    let world = World::new().await;
    let partner = world.partner().await;
    let person = world.person(partner);
    let made = world
        .auth
        .organization_create(
            &person,
            "Harbour",
            OrganizationKind::Customer,
            Some(partner),
        )
        .await
        .unwrap();
    let looker = partner_person(&world, partner, &[Permission::Read, Permission::Admin]).await;
    let ctx = looker.context(&world, made.id).await.unwrap();
    world.auth.site_create(&ctx, site("Quay")).await.unwrap();

    // Its people, yes, and one first administrator; then the customer decides.
    let acting = acting(&world, partner, made.id);
    let user = async |email: &str, role| {
        let create = UserCreate {
            email: email.into(),
            name: "Somebody".into(),
            roles: vec![role],
        };
        world.auth.user_create(&acting, create).await
    };
    user("owner@harbour.example", Role::Owner).await.unwrap();
    assert_eq!(
        code(user("second@harbour.example", Role::Owner).await),
        ErrorCode::Forbidden
    );
    user("planner@harbour.example", Role::PatchAdmin)
        .await
        .unwrap();
    let client = ApiClientCreate {
        name: "would outlive the delegation".into(),
        permissions: [Permission::Read].into(),
    };
    assert_eq!(
        code(world.auth.api_client_create(&acting, client).await),
        ErrorCode::Forbidden
    );

    // Only for itself, only by partners; without a partner only the platform.
    let create = async |ctx: &RequestContext, partner| {
        let kind = OrganizationKind::Customer;
        world
            .auth
            .organization_create(ctx, "Other", kind, partner)
            .await
    };
    let other = world.partner().await;
    assert_eq!(
        code(create(&person, Some(other)).await),
        ErrorCode::NotFound
    );
    assert_eq!(
        code(create(&acting, Some(partner)).await),
        ErrorCode::NotFound
    );
    let customer = world.person(made.id);
    assert_eq!(
        code(create(&customer, Some(made.id)).await),
        ErrorCode::Forbidden
    );
    assert_eq!(create(&person, None).await.unwrap_err().path, ["partnerId"]);
}
