//! The platform's API as scripts use it: where it is, who asks, one GraphQL request at a time.
//!
//! Secrets come from the environment or a file, never from the command line, where other people of the machine see them.

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// A download.
const DOWNLOAD: Duration = Duration::from_secs(3600);
/// One request.
const PATIENCE: Duration = Duration::from_secs(60);
const NO_CREDENTIALS: &str = "who asks? Set NETPATCH_CLIENT_ID and NETPATCH_CLIENT_SECRET (or --client-secret-file) of an API client, \
    or NETPATCH_TOKEN to a bearer token";

/// Where the platform is and who asks it.
#[derive(clap::Args, Clone)]
pub(crate) struct Server {
    /// Address of the portal and the API.
    #[arg(
        long,
        value_name = "URL",
        env = "NETPATCH_URL",
        default_value = "http://127.0.0.1:8480"
    )]
    url: String,
    /// Id of the API client that asks; its secret is read from NETPATCH_CLIENT_SECRET. Without one NETPATCH_TOKEN is used.
    #[arg(long, value_name = "ID", env = "NETPATCH_CLIENT_ID")]
    client_id: Option<String>,
    /// File that holds the API client's secret.
    #[arg(long, value_name = "FILE", env = "NETPATCH_CLIENT_SECRET_FILE")]
    client_secret_file: Option<PathBuf>,
}

/// Why the platform did not answer, with the exit code that scripts tell it by.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    /// 4 not allowed, 5 not found, 6 nobody confirmed, 7 cannot be reached, 1 anything else.
    pub(crate) exit: u8,
    message: String,
}

impl Refused {
    pub(crate) fn new(exit: u8, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }
}

/// A platform that answered who we are.
pub(crate) struct Api {
    http: reqwest::Client,
    graphql: String,
    token: String,
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Value>,
    #[serde(default)]
    errors: Vec<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    message: String,
    #[serde(default)]
    extensions: Extensions,
}

#[derive(Default, Deserialize)]
struct Extensions {
    #[serde(default)]
    code: String,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
}

impl Server {
    /// Signs in.
    pub(crate) async fn connect(&self) -> anyhow::Result<Api> {
        let base = self.url.trim_end_matches('/').to_owned();
        if !(base.starts_with("http://") || base.starts_with("https://")) {
            anyhow::bail!("{base} is no address: --url takes http://… or https://…");
        }
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let token = match &self.client_id {
            Some(id) => self.token(&http, &base, id).await?,
            None => std::env::var("NETPATCH_TOKEN")
                .ok()
                .filter(|token| !token.is_empty())
                .ok_or_else(|| Refused::new(4, NO_CREDENTIALS))?,
        };
        Ok(Api {
            http,
            graphql: format!("{base}/graphql"),
            token,
        })
    }

    fn secret(&self) -> anyhow::Result<String> {
        if let Some(file) = &self.client_secret_file {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("reading the secret from {}", file.display()))?;
            return Ok(text.trim().to_owned());
        }
        Ok(std::env::var("NETPATCH_CLIENT_SECRET").map_err(|_| Refused::new(4, NO_CREDENTIALS))?)
    }

    /// OAuth 2.0 client credentials (RFC 6749 §4.4).
    async fn token(&self, http: &reqwest::Client, base: &str, id: &str) -> anyhow::Result<String> {
        let answer = http
            .post(format!("{base}/auth/token"))
            .basic_auth(id, Some(self.secret()?))
            .form(&[("grant_type", "client_credentials")])
            .send()
            .await
            .map_err(|error| unreachable(base, &error))?;
        let status = answer.status();
        let body = bounded(answer).await?;
        if status.is_success() {
            let granted: Granted = serde_json::from_slice(&body)
                .map_err(|_| Refused::new(1, format!("{base} is no NetPatch platform")))?;
            return Ok(granted.access_token);
        }
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        let said = said["error_description"]
            .as_str()
            .unwrap_or("no reason given");
        let exit = if status.as_u16() == 401 { 4 } else { 7 };
        Err(Refused::new(exit, format!("{base} gave no token ({status}): {said}")).into())
    }
}

impl Api {
    /// `data` of an answer without errors.
    pub(crate) async fn ask(&self, document: &str, variables: Value) -> anyhow::Result<Value> {
        let answer = self
            .http
            .post(&self.graphql)
            .bearer_auth(&self.token)
            .json(&json!({"query": document, "variables": variables}))
            .send()
            .await
            .map_err(|error| unreachable(&self.graphql, &error))?;
        let status = answer.status();
        let body = bounded(answer).await?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| {
            Refused::new(7, format!("{} answers {status}, not GraphQL", self.graphql))
        })?;
        if let Some(first) = answer.errors.first() {
            let exit = match first.extensions.code.as_str() {
                "UNAUTHENTICATED" | "FORBIDDEN" => 4,
                "NOT_FOUND" => 5,
                "THROTTLED" | "UPSTREAM_UNAVAILABLE" => 7,
                _ => 1,
            };
            return Err(Refused::new(exit, first.message.clone()).into());
        }
        Ok(answer.data.unwrap_or_default())
    }

    /// Sends a file; status and answer. Once, however often the network repeats it.
    pub(crate) async fn send(
        &self,
        path: &str,
        parameters: &[(&str, String)],
        media: &str,
        file: Vec<u8>,
    ) -> anyhow::Result<(u16, Value)> {
        let url = format!("{}{path}", self.base());
        let answer = self
            .http
            .post(&url)
            .query(parameters)
            .bearer_auth(&self.token)
            .header("content-type", media)
            .header("idempotency-key", uuid::Uuid::new_v4().to_string())
            .body(file)
            .send()
            .await
            .map_err(|error| unreachable(&url, &error))?;
        let status = answer.status().as_u16();
        let body = bounded(answer).await?;
        let answer = serde_json::from_slice(&body)
            .map_err(|_| Refused::new(7, format!("{url} answers {status}, not JSON")))?;
        Ok((status, answer))
    }

    /// Writes a file while it arrives.
    pub(crate) async fn fetch(
        &self,
        path: &str,
        out: &mut impl std::io::Write,
    ) -> anyhow::Result<()> {
        let url = format!("{}{path}", self.base());
        let mut answer = self
            .http
            .get(&url)
            .timeout(DOWNLOAD)
            .bearer_auth(&self.token)
            .send()
            .await
            .map_err(|error| unreachable(&url, &error))?;
        let status = answer.status().as_u16();
        if status != 200 {
            let said: Value = serde_json::from_slice(&bounded(answer).await?).unwrap_or_default();
            let message = said["errors"][0]["message"]
                .as_str()
                .map_or_else(|| format!("{url} answers {status}"), str::to_owned);
            let exit = match status {
                401 | 403 => 4,
                404 => 5,
                429 | 500.. => 7,
                _ => 1,
            };
            return Err(Refused::new(exit, message).into());
        }
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| Refused::new(7, format!("the file broke off: {error}")))?
        {
            out.write_all(&chunk)?;
        }
        out.flush()?;
        Ok(())
    }

    fn base(&self) -> &str {
        self.graphql.trim_end_matches("/graphql")
    }

    /// The organization of this name or id; without one the only one that is within reach.
    pub(crate) async fn own_organization(&self, named: Option<&str>) -> anyhow::Result<String> {
        if let Some(named) = named {
            return self.organization(named).await;
        }
        let document =
            "query($first: Int!, $after: String) { organizations(first: $first, after: $after) {
            nodes { id name } pageInfo { hasNextPage endCursor } } }";
        let all = self.list(document, "organizations", json!({}), 2).await?;
        match all.nodes.as_slice() {
            [only] if !all.has_more => Ok(only["id"].as_str().unwrap_or_default().to_owned()),
            [] => Err(Refused::new(5, "no organization is within your reach").into()),
            _ => anyhow::bail!(
                "several organizations are within your reach; name one with --organization"
            ),
        }
    }

    /// All nodes of a connection, page by page, until there are `limit`; and how many there are in all, as the platform says.
    /// `document` takes `$first`, `$after` and the variables, and has the connection in the field `field`.
    pub(crate) async fn list(
        &self,
        document: &str,
        field: &str,
        mut variables: Value,
        limit: usize,
    ) -> anyhow::Result<Listed> {
        let mut listed = Listed::default();
        loop {
            let first = (limit - listed.nodes.len()).clamp(1, 100);
            variables["first"] = first.into();
            let mut data = self.ask(document, variables.clone()).await?;
            let connection = data[field].take();
            if connection.is_null() {
                return Err(Refused::new(5, "not found, or not within your reach").into());
            }
            if let Some(total) = connection["totalCount"]["display"].as_str() {
                total.clone_into(&mut listed.total);
            }
            let (info, nodes) = (&connection["pageInfo"], &connection["nodes"]);
            listed
                .nodes
                .extend(nodes.as_array().into_iter().flatten().cloned());
            let has_next = info["hasNextPage"] == json!(true);
            if !has_next || listed.nodes.len() >= limit {
                listed.has_more = has_next;
                return Ok(listed);
            }
            variables["after"] = info["endCursor"].clone();
        }
    }

    /// The id of an organization, by id or exact name.
    pub(crate) async fn organization(&self, named: &str) -> anyhow::Result<String> {
        let document =
            "query($first: Int!, $after: String) { organizations(first: $first, after: $after) {
            nodes { id name } pageInfo { hasNextPage endCursor } } }";
        let all = self
            .list(document, "organizations", json!({}), 100_000)
            .await?;
        one("organization", named, &all.nodes, "name")
    }

    /// The id of a host, by id or exact name.
    pub(crate) async fn host(
        &self,
        named: &str,
        organization: Option<&str>,
    ) -> anyhow::Result<String> {
        if named.starts_with("host_") {
            return Ok(named.to_owned());
        }
        let document = "query($first: Int!, $after: String, $filter: HostFilter) { hosts(first: $first, after: $after, filter: $filter) {
            nodes { id hostname } pageInfo { hasNextPage endCursor } } }";
        let filter = json!({"hostname": {"eq": named}, "organizationId": organization});
        let all = self
            .list(document, "hosts", json!({"filter": filter}), 100)
            .await?;
        one("host", named, &all.nodes, "hostname")
    }
}

/// Nodes of a connection.
#[derive(Default)]
pub(crate) struct Listed {
    pub(crate) nodes: Vec<Value>,
    /// `10,000+`; empty when the platform did not count.
    pub(crate) total: String,
    /// There are more than were asked for.
    pub(crate) has_more: bool,
}

/// The one that has this id or this name.
fn one(what: &str, named: &str, nodes: &[Value], name: &str) -> anyhow::Result<String> {
    let is = |node: &&Value| node["id"] == json!(named) || node[name] == json!(named);
    let ids: Vec<&str> = nodes
        .iter()
        .filter(is)
        .filter_map(|node| node["id"].as_str())
        .collect();
    match ids[..] {
        [id] => Ok(id.to_owned()),
        [] => Err(Refused::new(5, format!("no {what} {named} within your reach")).into()),
        _ => anyhow::bail!(
            "{} {what}s are named {named}; give the id: {}",
            ids.len(),
            ids.join(", ")
        ),
    }
}

fn unreachable(url: &str, error: &reqwest::Error) -> Refused {
    let mut reason: &dyn std::error::Error = error;
    while let Some(deeper) = reason.source() {
        reason = deeper;
    }
    Refused::new(7, format!("{url} cannot be reached: {reason}"))
}

async fn bounded(mut answer: reqwest::Response) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer
        .chunk()
        .await
        .map_err(|error| Refused::new(7, format!("the answer broke off: {error}")))?
    {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Refused::new(1, "the answer is larger than 64 MiB").into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Runs a command that asks the platform.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}
