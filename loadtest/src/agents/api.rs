//! The platform's API, as far as a load test has to ask it.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::time::Duration;

/// One request.
const PATIENCE: Duration = Duration::from_secs(60);

/// Signed in.
pub(super) struct Api {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Api {
    /// Signs in; `base` is `http://ADDRESS`.
    pub(super) async fn sign_in(base: String, email: &str, password: &str) -> Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()?;
        let body = json!({ "email": email, "password": password, "bearer": true });
        let answer = http
            .post(format!("{base}/auth/sign-in"))
            .json(&body)
            .send()
            .await?;
        let answer: Value = answer.json().await.context("sign in")?;
        let token = text(&answer, "/token")?;
        Ok(Self { http, base, token })
    }

    /// Runs a query; its `data`.
    pub(super) async fn query(&self, query: &str, variables: Value) -> Result<Value> {
        let request = self
            .http
            .post(format!("{}/graphql", self.base))
            .bearer_auth(&self.token);
        let body = json!({ "query": query, "variables": variables });
        let mut answer: Value = request.json(&body).send().await?.json().await?;
        if answer["errors"]
            .as_array()
            .is_some_and(|errors| !errors.is_empty())
        {
            bail!("the platform answered {} to {query}", answer["errors"]);
        }
        Ok(answer["data"].take())
    }

    /// Runs a mutation whose input type is named after it; its payload.
    pub(super) async fn mutate(
        &self,
        name: &str,
        mut input: Value,
        selection: &str,
    ) -> Result<Value> {
        let (first, rest) = name.split_at(1);
        let kind = format!("{}{rest}Input", first.to_uppercase());
        input["idempotencyKey"] = json!(uuid::Uuid::new_v4().to_string());
        let query = format!(
            "mutation($input: {kind}!) {{ {name}(input: $input) {{ {selection} userErrors {{ code message }} }} }}"
        );
        let mut data = self.query(&query, json!({ "input": input })).await?;
        let payload = data[name].take();
        match payload["userErrors"].as_array() {
            Some(errors) if errors.is_empty() => Ok(payload),
            _ => bail!("{name} was refused: {}", payload["userErrors"]),
        }
    }
}

/// A text at a JSON pointer.
pub(super) fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .with_context(|| format!("the platform's answer has no text at {pointer}: {value}"))
}
