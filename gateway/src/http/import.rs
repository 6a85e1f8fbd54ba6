//! What is sent in as a file: assets as comma-separated values, inventories of GLPI agents, bills of materials. With the same credentials and rights as the mutation of the name.
//!
//! A body is bounded before it is read, an upload costs [`POINTS`], and nothing of it is kept but what it says.

mod assets;
mod cyclonedx;
mod glpi;
mod software;

pub(crate) use assets::assets;
pub(crate) use cyclonedx::cyclonedx;
pub(crate) use glpi::glpi;

use super::answer::{Manner, failed};
use super::caller;
use super::negotiate::Media;
use crate::graphql::context::{Caller, Session, organization_id};
use crate::state::GatewayState;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use netpatch_types::{ErrorCode, OrganizationId, RequestContext, ServiceError, ServiceResult};

/// What an upload takes from the caller's bucket.
const POINTS: u32 = 500;

/// The parameters of the address, in order.
type Parameters = Vec<(String, String)>;

fn parameter<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    parameters
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// Refuses parameters that nothing reads: a misspelt `dryRun` must not write.
fn known(parameters: &Parameters, names: &[&str]) -> ServiceResult<()> {
    match parameters
        .iter()
        .find(|(key, _)| !names.contains(&key.as_str()))
    {
        Some((key, _)) => Err(ServiceError::invalid(
            &key.chars().take(80).collect::<String>(),
            format!(
                "not a parameter of this address; it has {}",
                names.join(", ")
            ),
        )),
        None => Ok(()),
    }
}

fn flag(parameters: &Parameters, name: &str) -> ServiceResult<bool> {
    match parameter(parameters, name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(ServiceError::invalid(name, "true or false")),
    }
}

/// The organization that an address names.
fn organization(parameters: &Parameters) -> ServiceResult<OrganizationId> {
    let id = parameter(parameters, "organizationId")
        .ok_or_else(|| ServiceError::invalid("organizationId", "name the organization, org_…"))?;
    organization_id(&id.into())
}

/// The caller pays for an upload.
fn pay(
    state: &GatewayState,
    caller: &Caller,
    address: Option<std::net::IpAddr>,
) -> ServiceResult<()> {
    state.bucket(caller, address).take(POINTS).map_err(|_| {
        ServiceError::new(
            ErrorCode::Throttled,
            "the bucket of points is empty; wait and send less",
        )
    })
}

/// A body of at most `limit` bytes.
async fn bounded(body: Body, limit: usize) -> ServiceResult<Bytes> {
    axum::body::to_bytes(body, limit).await.map_err(|_| {
        ServiceError::new(
            ErrorCode::LimitExceeded,
            format!(
                "the body has more than {limit} bytes, or ended early; send it in several parts"
            ),
        )
    })
}

/// What a body must say that it is: a form of another site cannot say it.
struct MediaType {
    /// Any of these.
    names: &'static [&'static str],
    /// What to do else.
    remedy: &'static str,
}

impl MediaType {
    fn check(&self, headers: &HeaderMap) -> ServiceResult<()> {
        let given = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let media = given.split(';').next().unwrap_or_default().trim();
        if self
            .names
            .iter()
            .any(|name| media.eq_ignore_ascii_case(name))
        {
            Ok(())
        } else {
            Err(ServiceError::invalid("contentType", self.remedy))
        }
    }
}

/// A session of the caller in one organization.
fn inside(session: &Session, of: OrganizationId) -> ServiceResult<RequestContext> {
    session.principal()?;
    session
        .inside(of)
        .map_err(|_| ServiceError::not_found("organization"))
}

fn manner(state: &GatewayState) -> Manner {
    Manner {
        media: Media::Json,
        codes: state.settings().status_codes,
        request_id: caller::request_id(state),
    }
}

/// An answer in JSON, or the error.
fn answered(manner: Manner, outcome: ServiceResult<(StatusCode, serde_json::Value)>) -> Response {
    match outcome {
        Ok((status, body)) => (
            status,
            [(header::CACHE_CONTROL, "no-store")],
            axum::Json(body),
        )
            .into_response(),
        Err(error) => failed(&error, manner),
    }
}
