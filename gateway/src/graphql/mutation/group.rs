//! `groupCreate`.

use super::{answer, payload};
use crate::graphql::context::organization_id;
use crate::graphql::model::group::read_selector;
use crate::graphql::model::{Group, SelectorTermInput};
use crate::graphql::once::{Once, once};
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_inventory_api as inventory;
use netpatch_types::ServiceError;

/// A new group.
#[derive(Clone, InputObject)]
pub struct GroupCreateInput {
    /// Whose.
    organization_id: ID,
    /// Name, unique in the organization.
    name: String,
    /// Which hosts: every term must hold. Empty: all hosts.
    selector: Vec<SelectorTermInput>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `groupCreate`.
    GroupCreatePayload {
        /// The group.
        group: Group,
    }
}

/// Groups.
#[derive(Default)]
pub struct GroupMutation;

#[Object]
impl GroupMutation {
    /// Makes a group.
    #[graphql(complexity = "10 + child_complexity")]
    async fn group_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: GroupCreateInput,
    ) -> Result<GroupCreatePayload> {
        answer(create(ctx, input).await)
    }
}

async fn create(ctx: &Context<'_>, input: GroupCreateInput) -> Result<GroupCreatePayload> {
    let session = session(ctx)?;
    let request = session.inside(organization_id(&input.organization_id)?)?;
    let create = inventory::GroupCreate {
        name: input.name.clone(),
        selector: read_selector(input.selector.clone())?,
    };
    let work = session.apis.inventory.group_create(&request, create);
    let made = once(
        session,
        &request,
        "groupCreate",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let group = match made {
        Once::Done(group) => group,
        Once::Before(ids) => {
            let groups = session
                .apis
                .inventory
                .group_list(&request, inventory::GroupList {})
                .await?;
            groups
                .into_iter()
                .find(|group| ids.contains(&group.id.0))
                .ok_or_else(|| ServiceError::not_found("group"))?
        }
    };
    Ok(GroupCreatePayload {
        group: Some(Group(group)),
        ..Default::default()
    })
}
