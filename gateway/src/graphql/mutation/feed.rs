//! `feedAccept`.

use super::{answer, payload};
use crate::graphql::context::organization_id;
use crate::graphql::model::Feed;
use crate::graphql::once::{Once, once};
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_inventory_api as inventory;

/// Takes newer files of a feed that were refused or held back.
#[derive(Clone, InputObject)]
pub struct FeedAcceptInput {
    /// The organization that operates the platform.
    organization_id: ID,
    /// Which feed.
    name: String,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `feedAccept`.
    FeedAcceptPayload {
        /// The feed.
        feed: Feed,
    }
}

/// Feeds.
#[derive(Default)]
pub struct FeedMutation;

#[Object]
impl FeedMutation {
    /// Takes a feed that waits for a person: it shrank, or the canary held it back. Feeds are shared by all organizations, so only an
    /// administrator of one that operates the platform may.
    #[graphql(complexity = "100 + child_complexity")]
    async fn feed_accept(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: FeedAcceptInput,
    ) -> Result<FeedAcceptPayload> {
        answer(accept(ctx, input).await)
    }
}

async fn accept(ctx: &Context<'_>, input: FeedAcceptInput) -> Result<FeedAcceptPayload> {
    let session = session(ctx)?;
    let request = session.inside(organization_id(&input.organization_id)?)?;
    let name = Some(input.name.clone());
    let work = session
        .apis
        .inventory
        .feed_accept(&request, inventory::FeedAccept { name });
    let made = once(
        session,
        &request,
        "feedAccept",
        &input.idempotency_key,
        &input,
        work,
        |_| Vec::new(),
    )
    .await?;
    let feeds = match made {
        Once::Done(feeds) => feeds,
        Once::Before(_) => {
            session
                .apis
                .inventory
                .feed_list(&request, inventory::FeedList {})
                .await?
        }
    };
    Ok(FeedAcceptPayload {
        feed: feeds
            .into_iter()
            .find(|feed| feed.name == input.name)
            .map(Feed::from),
        ..Default::default()
    })
}
