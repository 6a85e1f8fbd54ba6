//! Roles and delegations: who may what where.

use crate::tenancy::cases::{MUTATIONS, OTHERWISE_REFUSED};
use crate::tenancy::{Ids, public};
use crate::world::World;
use netpatch_auth::Role;
use netpatch_gateway::graphql::right;
use serde_json::{Value, json};

/// Every role × every mutation in the own organization: refused exactly without the right, and then no service is asked.
#[tokio::test]
async fn a_role_does_what_it_may_and_nothing_else() {
    let world = World::new().await;
    let ids = Ids::of(&world, world.own).await;
    for role in Role::ALL {
        let token = world.bearer(world.own, role).await;
        for (field, input) in MUTATIONS {
            // Each role makes things of its own name.
            let input = ids
                .fill(input)
                .replace("name: \"", &format!("name: \"{} ", role.as_str()));
            let key = format!("{} {field}", role.as_str());
            let document = format!(
                "mutation {{ {field}(input: {{{input}, idempotencyKey: \"{key}\"}}) {{ userErrors {{ code message }} }} }}"
            );
            world.script.forget();
            let answer = world.ask(&token, &document, json!({})).await.json();
            let errors = &answer["data"][field]["userErrors"];
            let code = errors[0]["code"].as_str();
            if role.permissions().contains(&right::of(field).unwrap()) {
                assert!(
                    OTHERWISE_REFUSED.contains(&field) || *errors == json!([]),
                    "{role:?} may {field}: {answer}"
                );
            } else {
                assert!(
                    matches!(code, Some("FORBIDDEN" | "NOT_FOUND" | "BAD_USER_INPUT")),
                    "{role:?} may not {field}: {answer}"
                );
                let wrote = world
                    .script
                    .calls()
                    .into_iter()
                    .find(|call| !call.method.ends_with("_get"));
                assert!(
                    wrote.is_none(),
                    "{role:?} may not {field}, but {wrote:?} was called"
                );
                assert!(
                    OTHERWISE_REFUSED.contains(&field) || code == Some("FORBIDDEN"),
                    "{role:?} {field}: {answer}"
                );
            }
        }
    }
}

#[test]
fn every_mutation_has_its_right() {
    let without: Vec<String> = crate::schema::root_fields("Mutation")
        .into_iter()
        .filter(|field| right::of(field).is_none())
        .collect();
    assert!(
        without.is_empty(),
        "mutations that are not in the table of rights: {without:?}"
    );
}

struct Customer<'a> {
    world: &'a World,
    token: String,
}

impl Customer<'_> {
    /// The newest delegation.
    async fn delegation(&self) -> Value {
        let query = "query($org: ID!) { organization(id: $org) { delegations { id status roles partner { name } } } }";
        let listed = self
            .world
            .ask(
                &self.token,
                query,
                json!({"org": self.world.id(self.world.own)}),
            )
            .await
            .json();
        listed["data"]["organization"]["delegations"][0].clone()
    }

    async fn decide(&self, id: &Value, is_approved: bool) -> Value {
        let key = format!("{id} {is_approved}");
        let input = json!({"input": {"id": id, "isApproved": is_approved, "reason": "contract", "idempotencyKey": key}});
        let query = "mutation($input: DelegationDecideInput!) { delegationDecide(input: $input) { delegation { status } userErrors { message } } }";
        let answer = self.world.ask(&self.token, query, input).await.json();
        answer["data"]["delegationDecide"]["delegation"]["status"].clone()
    }
}

async fn hosts(world: &World, token: &str) -> Value {
    let query = "query($org: ID!) { hosts(first: 1, filter: {organizationId: $org}) { nodes { hostname } } }";
    world
        .ask(token, query, json!({"org": world.id(world.own)}))
        .await
        .json()["data"]["hosts"]
        .clone()
}

async fn ask_for_delegation(world: &World, days: i64) {
    let expires_at = netpatch_types::Clock::now(&*world.clock) + chrono::Duration::days(days);
    let partner = world.system(world.partner);
    world
        .auth
        .delegation_create(&partner, world.own, &[Role::Technician], expires_at)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_delegation_opens_and_its_end_closes() {
    let world = World::new().await;
    let partner = world.bearer(world.partner, Role::Owner).await;
    let customer = Customer {
        world: &world,
        token: world.bearer(world.own, Role::Owner).await,
    };
    assert_eq!(hosts(&world, &partner).await, Value::Null);
    ask_for_delegation(&world, 30).await;
    assert_eq!(
        hosts(&world, &partner).await,
        Value::Null,
        "pending is not yet"
    );
    let delegation = customer.delegation().await;
    assert_eq!(
        (&delegation["status"], &delegation["roles"]),
        (&json!("PENDING"), &json!(["TECHNICIAN"]))
    );
    assert_eq!(
        delegation["partner"]["name"], "Partner",
        "the customer sees whom it lets in"
    );
    assert_eq!(customer.decide(&delegation["id"], true).await, "ACTIVE");
    assert!(hosts(&world, &partner).await.is_object());
    // What the delegation does not give is forbidden, not absent: an owner at home is a technician here.
    world.script.forget();
    let resume = "mutation($id: ID!) { deploymentResume(input: {id: $id, reason: \"again\", idempotencyKey: \"1\"}) { userErrors { code } } }";
    let answer = world
        .ask(&partner, resume, json!({"id": public("deploy", world.own)}))
        .await
        .json();
    assert_eq!(
        answer["data"]["deploymentResume"]["userErrors"][0]["code"],
        "FORBIDDEN"
    );
    assert!(world.script.calls().is_empty());
    assert_eq!(customer.decide(&delegation["id"], false).await, "REVOKED");
    assert_eq!(hosts(&world, &partner).await, Value::Null);
}

#[tokio::test]
async fn an_expired_delegation_is_none() {
    let world = World::new().await;
    let (email, password) = world.person(world.partner, Role::Technician).await;
    let customer = Customer {
        world: &world,
        token: world.bearer(world.own, Role::Owner).await,
    };
    ask_for_delegation(&world, 3).await;
    let delegation = customer.delegation().await;
    assert_eq!(customer.decide(&delegation["id"], true).await, "ACTIVE");
    world
        .clock
        .advance(std::time::Duration::from_secs(2 * 86_400));
    let token = world.sign_in(&email, &password).await;
    assert!(hosts(&world, &token).await.is_object());
    world
        .clock
        .advance(std::time::Duration::from_secs(2 * 86_400));
    let token = world.sign_in(&email, &password).await;
    assert_eq!(hosts(&world, &token).await, Value::Null);
}
