//! `GET /sbom/hosts/<id>` and `GET /sbom/fleet?organizationId=org_…`: a software bill of materials, CycloneDX 1.6 in JSON
//! (<https://cyclonedx.org/docs/1.6/json/>), with the open findings as vulnerabilities.
//!
//! The ledger has who took which document and when, before anything of it leaves; without that there is none.
//! Written while it is read, page by page; what is remembered is which components were written, so that no reference leads nowhere.
//! A document that broke off is no JSON: the connection ends without its last bytes.

use super::answer::{Manner, failed};
use super::caller;
use super::negotiate::Media;
use crate::graphql::context::{Session, absent, organization_id};
use crate::state::GatewayState;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use netpatch_inventory_api as inventory;
use netpatch_reporting_api::NewLedgerEntry;
use netpatch_types::{
    ComponentId, HostId, OrganizationId, Permission, RequestContext, ServiceError, ServiceResult,
    Severity,
};
use serde_json::{Value, json};
use std::collections::HashSet;
use tokio::sync::mpsc;

/// Pieces that wait for a slow reader.
const WAITING: usize = 4;

/// What a document is about.
#[derive(Clone, Copy)]
struct Scope {
    of: OrganizationId,
    host: Option<HostId>,
}

pub(crate) async fn host(
    State(state): State<GatewayState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let scope = HostId::parse_public(&id)
        .map(|(of, host)| Scope {
            of,
            host: Some(host),
        })
        .ok_or_else(|| ServiceError::not_found("host"));
    answer(&state, scope, &headers).await
}

pub(crate) async fn fleet(
    State(state): State<GatewayState>,
    Query(parameters): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let scope = match parameters.as_slice() {
        [(name, id)] if name == "organizationId" => {
            organization_id(&id.as_str().into()).map(|of| Scope { of, host: None })
        }
        _ => Err(ServiceError::invalid(
            "organizationId",
            "name the organization, org_…, and nothing else",
        )),
    };
    answer(&state, scope, &headers).await
}

async fn answer(
    state: &GatewayState,
    scope: ServiceResult<Scope>,
    headers: &HeaderMap,
) -> Response {
    let manner = Manner {
        media: Media::Json,
        codes: state.settings().status_codes,
        request_id: caller::request_id(state),
    };
    match begin(state, scope, headers).await {
        Ok((name, body)) => (
            [
                (
                    header::CONTENT_TYPE,
                    "application/vnd.cyclonedx+json; version=1.6".to_owned(),
                ),
                (
                    header::CONTENT_DISPOSITION,
                    format!("attachment; filename=\"{name}\""),
                ),
                (header::CACHE_CONTROL, "private, no-store".to_owned()),
            ],
            body,
        )
            .into_response(),
        Err(error) => failed(&error, manner),
    }
}

/// Whatever can be refused is refused here; behind the first page only the platform's own trouble breaks a document off.
async fn begin(
    state: &GatewayState,
    scope: ServiceResult<Scope>,
    headers: &HeaderMap,
) -> ServiceResult<(String, Body)> {
    let session = state.session(caller::identify(state, headers, true).await?);
    session.principal()?;
    let scope = scope?;
    let noun = if scope.host.is_some() {
        "host"
    } else {
        "organization"
    };
    let ctx = session
        .inside(scope.of)
        .map_err(|_| ServiceError::not_found(noun))?;
    ctx.require(Permission::Report)?;
    let first = hosts(&session, scope, None, true).await?;
    recorded(&session, scope, &ctx, state.clock().now()).await?;
    let name = match scope.host {
        Some(_) => format!(
            "{}.cdx.json",
            super::report::plain(
                first
                    .hosts
                    .first()
                    .map_or("host", |one| one.host.facts.hostname.as_str())
            )
        ),
        None => "fleet.cdx.json".to_owned(),
    };
    let organization = absent(crate::graphql::model::organization::find(&session, scope.of).await)?
        .flatten()
        .map(|organization| organization.0.name)
        .unwrap_or_default();
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(WAITING);
    let writer = Writer {
        scope,
        organization,
        now: state.clock().now(),
        session,
        sender,
        written: HashSet::new(),
    };
    tokio::spawn(writer.run(first));
    let stream = futures::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    Ok((name, Body::from_stream(stream)))
}

/// The ledger has who took what, before anything of it leaves.
async fn recorded(
    session: &Session,
    scope: Scope,
    ctx: &RequestContext,
    now: chrono::DateTime<chrono::Utc>,
) -> ServiceResult<()> {
    let entry = NewLedgerEntry {
        event: netpatch_types::id::uuid_v7(now),
        at: now,
        action: "sbom.exported".to_owned(),
        actor: ctx.actor.clone(),
        subject: match scope.host {
            Some(host) => format!("host:{host}"),
            None => format!("organization:{}", scope.of),
        },
        details: [("format".to_owned(), "CycloneDX 1.6".to_owned())].into(),
    };
    crate::ledger::record(&session.apis, scope.of, vec![entry]).await
}

async fn hosts(
    session: &Session,
    scope: Scope,
    after: Option<String>,
    described: bool,
) -> ServiceResult<inventory::SbomHostPage> {
    let request = inventory::SbomHosts {
        host: scope.host,
        tenant: Some(scope.of),
        after,
        described,
    };
    // A context lives for one call: a long document needs many.
    let ctx = session.inside(scope.of)?;
    session.apis.inventory.sbom_hosts(&ctx, request).await
}

struct Writer {
    scope: Scope,
    organization: String,
    now: chrono::DateTime<chrono::Utc>,
    session: Session,
    sender: mpsc::Sender<Result<Bytes, std::io::Error>>,
    written: HashSet<ComponentId>,
}

/// Elements of an array, with commas between them.
struct List {
    text: String,
    is_empty: bool,
}

impl List {
    fn new() -> Self {
        Self {
            text: String::new(),
            is_empty: true,
        }
    }

    fn push(&mut self, element: &Value) {
        if !self.is_empty {
            self.text.push(',');
        }
        self.is_empty = false;
        self.text.push('\n');
        self.text.push_str(&element.to_string());
    }

    fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }
}

enum Broken {
    /// Nobody reads any more.
    Gone,
    Failed(ServiceError),
}

impl From<ServiceError> for Broken {
    fn from(error: ServiceError) -> Self {
        Self::Failed(error)
    }
}

impl Writer {
    async fn run(mut self, first: inventory::SbomHostPage) {
        match self.write(first).await {
            Ok(()) | Err(Broken::Gone) => {}
            Err(Broken::Failed(error)) => {
                tracing::warn!(%error, "a bill of materials broke off");
                let _ = self
                    .sender
                    .send(Err(std::io::Error::other("the document broke off")))
                    .await;
            }
        }
    }

    async fn say(&self, text: String) -> Result<(), Broken> {
        self.sender
            .send(Ok(text.into()))
            .await
            .map_err(|_| Broken::Gone)
    }

    async fn write(&mut self, first: inventory::SbomHostPage) -> Result<(), Broken> {
        let root = match (self.scope.host, first.hosts.first()) {
            (Some(_), Some(one)) => self.device(one),
            _ => {
                json!({"type": "platform", "bom-ref": self.scope.of.public(self.scope.of), "name": self.organization})
            }
        };
        self.say(head(&root, self.now)).await?;
        let mut list = List::new();
        let mut page = first;
        loop {
            for one in &page.hosts {
                if self.scope.host.is_none() {
                    list.push(&self.device(one));
                }
                if !one.host.facts.os_id.is_empty() {
                    list.push(&operating_system(&one.host));
                }
            }
            for component in &page.components {
                if self.written.insert(component.id) {
                    list.push(&software(component));
                }
            }
            self.say(list.take()).await?;
            let Some(after) = page.next else { break };
            page = hosts(&self.session, self.scope, Some(after), true).await?;
        }
        self.say("\n],\n\"dependencies\": [".to_owned()).await?;
        self.dependencies().await?;
        self.say("\n],\n\"vulnerabilities\": [".to_owned()).await?;
        self.vulnerabilities().await?;
        self.say("\n]\n}\n".to_owned()).await
    }

    async fn dependencies(&self) -> Result<(), Broken> {
        let (mut list, mut after) = (List::new(), None);
        loop {
            let page = hosts(&self.session, self.scope, after, false).await?;
            for one in &page.hosts {
                let mut refs: Vec<String> = one
                    .components
                    .iter()
                    .filter(|id| self.written.contains(id))
                    .map(|id| id.public())
                    .collect();
                refs.sort_unstable();
                refs.dedup();
                list.push(&json!({"ref": one.host.id.public(one.host.tenant), "dependsOn": refs}));
            }
            self.say(list.take()).await?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn vulnerabilities(&self) -> Result<(), Broken> {
        let (mut list, mut after) = (List::new(), None);
        loop {
            let request = inventory::SbomFindings {
                host: self.scope.host,
                tenant: Some(self.scope.of),
                after,
            };
            let ctx = self.session.inside(self.scope.of)?;
            let page = self
                .session
                .apis
                .inventory
                .sbom_findings(&ctx, request)
                .await?;
            for found in &page.vulnerabilities {
                // What is new since the components were written would lead nowhere.
                if found
                    .affects
                    .iter()
                    .any(|one| self.written.contains(&one.component))
                {
                    list.push(&self.vulnerability(found));
                }
            }
            self.say(list.take()).await?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn device(&self, one: &inventory::SbomHost) -> Value {
        let host = &one.host;
        let mut device = json!({
            "type": "device",
            "bom-ref": host.id.public(host.tenant),
            "name": host.facts.hostname,
        });
        if !host.facts.vendor.is_empty() {
            device["manufacturer"] = json!({"name": host.facts.vendor});
        }
        let properties: Vec<Value> = [
            ("netpatch:arch", &host.facts.arch),
            ("netpatch:kernel", &host.facts.kernel),
            ("netpatch:model", &host.facts.model),
            ("netpatch:serial", &host.facts.serial),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
        device["properties"] = properties.into();
        device
    }

    fn vulnerability(&self, found: &inventory::SbomVulnerability) -> Value {
        let advisory = &found.advisory;
        let mut source = json!({"name": advisory.feed});
        if let Some(url) = &advisory.url {
            source["url"] = json!(url);
        }
        let affects: Vec<Value> = found
            .affects
            .iter()
            .filter(|affected| self.written.contains(&affected.component))
            .map(|affected| json!({"ref": affected.component.public()}))
            .collect();
        let mut fixes: Vec<&str> = found
            .affects
            .iter()
            .map(|affected| affected.fixed_version.as_str())
            .filter(|version| !version.is_empty())
            .collect();
        fixes.sort_unstable();
        fixes.dedup();
        let mut vulnerability = json!({
            "bom-ref": advisory.id.public(),
            "id": advisory.name,
            "source": source,
            "ratings": [rating(advisory)],
            "affects": affects,
            "properties": [
                {"name": "netpatch:known-exploited", "value": advisory.kev.to_string()},
                {"name": "netpatch:ransomware", "value": advisory.ransomware.to_string()},
            ],
        });
        if !advisory.summary.is_empty() {
            vulnerability["description"] = json!(advisory.summary);
        }
        if !fixes.is_empty() {
            vulnerability["recommendation"] =
                json!(format!("Update to {} or later.", fixes.join(", ")));
        }
        if let Some(at) = advisory.published_at {
            vulnerability["published"] =
                json!(at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
        }
        if let Some(epss) = advisory.epss
            && let Some(properties) = vulnerability["properties"].as_array_mut()
        {
            properties.push(json!({"name": "netpatch:epss", "value": epss.to_string()}));
        }
        vulnerability
    }
}

fn head(root: &Value, now: chrono::DateTime<chrono::Utc>) -> String {
    let metadata = json!({
        "timestamp": now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        "tools": {"components": [{"type": "application", "name": "netpatch", "version": env!("CARGO_PKG_VERSION")}]},
        "component": root,
    });
    format!(
        "{{\n\"$schema\": \"http://cyclonedx.org/schema/bom-1.6.schema.json\",\n\"bomFormat\": \"CycloneDX\",\n\"specVersion\": \"1.6\",\n\
         \"serialNumber\": \"urn:uuid:{}\",\n\"version\": 1,\n\"metadata\": {metadata},\n\"components\": [",
        netpatch_types::id::uuid_v7(now)
    )
}

fn operating_system(host: &inventory::Host) -> Value {
    let facts = &host.facts;
    json!({
        "type": "operating-system",
        "bom-ref": format!("{}#os", host.id.public(host.tenant)),
        "name": facts.os_id,
        "version": facts.os_version,
        "description": facts.os_name,
    })
}

fn software(component: &inventory::Component) -> Value {
    let key = &component.key;
    let mut properties =
        vec![json!({"name": "netpatch:ecosystem", "value": key.ecosystem.as_str()})];
    if !key.source.is_empty() {
        properties.push(json!({"name": "netpatch:source", "value": key.source}));
        properties.push(json!({"name": "netpatch:source-version", "value": key.source_version}));
    }
    if let Some(image) = key.image() {
        properties.push(json!({"name": "netpatch:image", "value": image}));
    }
    json!({
        "type": "library",
        "bom-ref": component.id.public(),
        "name": key.name,
        "version": key.version,
        "purl": key.purl(),
        "properties": properties,
    })
}

fn rating(advisory: &inventory::Advisory) -> Value {
    let severity = match advisory.severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
        Severity::Unknown => "unknown",
    };
    let mut rating = json!({"severity": severity});
    if let Some(score) = advisory.cvss_score {
        rating["score"] = json!(score);
    }
    if let Some(vector) = &advisory.cvss_vector {
        rating["vector"] = json!(vector);
        rating["method"] = json!(match vector {
            vector if vector.starts_with("CVSS:4") => "CVSSv4",
            vector if vector.starts_with("CVSS:3.1") => "CVSSv31",
            vector if vector.starts_with("CVSS:3") => "CVSSv3",
            _ => "CVSSv2",
        });
    }
    rating
}
