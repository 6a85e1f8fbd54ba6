//! `exceptionRequest`, `exceptionEnd`.

use super::{answer, payload};
use crate::graphql::context::{organization_id, same_organization, tenant_id};
use crate::graphql::model::Exception;
use crate::graphql::once::{Once, first, once};
use crate::graphql::{DateTime, Result, session};
use async_graphql::{Context, ID, InputObject, InputType, Object};
use netpatch_policy_api as policy;
use netpatch_types::{ExceptionId, GroupId, HostId, RequestContext, ServiceError};

/// Asks people to accept lateness.
#[derive(Clone, InputObject)]
pub struct ExceptionRequestInput {
    /// Whose.
    organization_id: ID,
    /// For people, 1 to 80 characters.
    name: String,
    /// Who answers for it, 1 to 80 characters.
    owner: String,
    /// Why, 3 to 500 characters.
    reason: String,
    /// Its end, within two years.
    until: DateTime,
    /// Any of these CVEs, advisories or notices; with `packages` at least one name is needed.
    advisories: Option<Vec<String>>,
    /// Any of these packages.
    packages: Option<Vec<String>>,
    /// Only on these hosts; absent: any.
    host_ids: Option<Vec<ID>>,
    /// Only in this group; absent: any.
    group_id: Option<ID>,
    /// How many distinct people must approve, 1 to 5.
    #[graphql(default = 1)]
    required: Option<i32>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// Ends an exception before its end, or takes back what was asked.
#[derive(Clone, InputObject)]
pub struct ExceptionEndInput {
    /// Which.
    id: ID,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `exceptionRequest`.
    ExceptionRequestPayload {
        /// The exception.
        exception: Exception,
    }
}
payload! {
    /// Answer of `exceptionEnd`.
    ExceptionEndPayload {
        /// The exception.
        exception: Exception,
    }
}

/// Exceptions.
#[derive(Default)]
pub struct ExceptionMutation;

#[Object]
impl ExceptionMutation {
    /// Asks people to accept lateness until a date. Once approved, deadlines of what it covers move to its end.
    #[graphql(complexity = "10 + child_complexity")]
    async fn exception_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: ExceptionRequestInput,
    ) -> Result<ExceptionRequestPayload> {
        answer(request(ctx, input).await)
    }

    /// Ends an exception; the dates hold again that the rules demand.
    #[graphql(complexity = "10 + child_complexity")]
    async fn exception_end(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: ExceptionEndInput,
    ) -> Result<ExceptionEndPayload> {
        answer(end(ctx, input).await)
    }
}

/// Does the work once, and reads the exception again when it was done before.
async fn done(
    ctx: &Context<'_>,
    request: &RequestContext,
    (mutation, key): (&str, &ID),
    input: &impl InputType,
    work: impl Future<Output = Result<policy::Exception>>,
) -> Result<Option<Exception>> {
    let session = session(ctx)?;
    let made = once(session, request, mutation, key, input, work, |made| {
        vec![made.id.0]
    })
    .await?;
    let exception = match made {
        Once::Done(exception) => exception,
        Once::Before(ids) => {
            let get = policy::ExceptionGet { id: first(&ids)? };
            session.apis.policy.exception_get(request, get).await?
        }
    };
    Ok(Some(Exception(exception)))
}

async fn request(
    ctx: &Context<'_>,
    input: ExceptionRequestInput,
) -> Result<ExceptionRequestPayload> {
    let session = session(ctx)?;
    let of = organization_id(&input.organization_id)?;
    let request = session.inside(of)?;
    let said = input.clone();
    let group = said
        .group_id
        .map(|id| same_organization::<GroupId>(&id, of, GroupId::PREFIX, "groupId", "group"))
        .transpose()?;
    let hosts = said
        .host_ids
        .unwrap_or_default()
        .iter()
        .map(|id| same_organization::<HostId>(id, of, HostId::PREFIX, "hostIds", "host"))
        .collect::<Result<_>>()?;
    let required = u32::try_from(said.required.unwrap_or(1))
        .map_err(|_| ServiceError::invalid("required", "ask for 1 to 5"))?;
    let ask = policy::ExceptionRequest {
        spec: policy::ExceptionSpec {
            name: said.name,
            covers: policy::ExceptionScope {
                advisories: said.advisories.unwrap_or_default(),
                packages: said.packages.unwrap_or_default(),
                hosts,
                group,
            },
            owner: said.owner,
            reason: said.reason,
            until: said.until.0,
        },
        required,
    };
    let work = session.apis.policy.exception_request(&request, ask);
    let name = ("exceptionRequest", &input.idempotency_key);
    Ok(ExceptionRequestPayload {
        exception: done(ctx, &request, name, &input, work).await?,
        ..Default::default()
    })
}

async fn end(ctx: &Context<'_>, input: ExceptionEndInput) -> Result<ExceptionEndPayload> {
    let session = session(ctx)?;
    let (of, id) = tenant_id::<ExceptionId>(&input.id, ExceptionId::PREFIX, "exception")?;
    let request = session
        .inside(of)
        .map_err(|_| ServiceError::not_found("exception"))?;
    let work = session
        .apis
        .policy
        .exception_end(&request, policy::ExceptionEnd { id });
    let name = ("exceptionEnd", &input.idempotency_key);
    Ok(ExceptionEndPayload {
        exception: done(ctx, &request, name, &input, work).await?,
        ..Default::default()
    })
}
