//! The platform's public HTTP surface, as a script would use it: GraphQL with a bearer token, by curl.

use crate::shell;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// One signed-in person.
pub(crate) struct Api {
    base: String,
    token: String,
}

impl Api {
    /// Signs in with a password; `base` is the platform's URL without a closing slash.
    pub(crate) fn sign_in(base: &str, email: &str, password: &str) -> Result<Self> {
        let body = json!({ "email": email, "password": password, "bearer": true });
        let answer = post(&format!("{base}/auth/sign-in"), None, &body)
            .with_context(|| format!("sign in as {email}"))?;
        let token = text(&answer, "/token")?;
        Ok(Self {
            base: base.to_owned(),
            token,
        })
    }

    /// What goes into the header `authorization: Bearer …`.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Runs a query and returns its `data`; any error in the answer is an error here.
    pub(crate) fn query(&self, query: &str, variables: Value) -> Result<Value> {
        let body = json!({ "query": query, "variables": variables });
        let mut answer = post(&format!("{}/graphql", self.base), Some(&self.token), &body)?;
        let errors = answer["errors"].as_array().map_or(0, Vec::len);
        if errors > 0 {
            bail!(
                "the API answered {} to {}",
                answer["errors"],
                first_line(query)
            );
        }
        Ok(answer["data"].take())
    }

    /// Runs a mutation whose input type is named after it and returns its payload.
    pub(crate) fn mutate(&self, name: &str, input: Value, selection: &str) -> Result<Value> {
        let mut input_type = name.to_owned();
        if let Some(first) = input_type.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        self.mutate_as(name, &format!("{input_type}Input"), input, selection)
    }

    /// Runs a mutation; a user error is an error here. Adds the idempotency key.
    pub(crate) fn mutate_as(
        &self,
        name: &str,
        input_type: &str,
        mut input: Value,
        selection: &str,
    ) -> Result<Value> {
        input["idempotencyKey"] = json!(random_id()?);
        let query = format!(
            "mutation($input: {input_type}!) {{ {name}(input: $input) {{ {selection} userErrors {{ code message path }} }} }}"
        );
        let mut data = self.query(&query, json!({ "input": input }))?;
        let payload = data[name].take();
        match payload["userErrors"].as_array() {
            Some(errors) if errors.is_empty() => Ok(payload),
            _ => bail!("{name} was refused: {}", payload["userErrors"]),
        }
    }

    /// Downloads a path of the platform into a file.
    pub(crate) fn download(&self, path: &str, file: &Path) -> Result<()> {
        let url = format!("{}{path}", self.base);
        let output = ["--output", &file.to_string_lossy()].map(String::from);
        curl(&url, Some(&self.token), None, &output).map(drop)
    }
}

/// A string at a JSON pointer.
pub(crate) fn text(value: &Value, pointer: &str) -> Result<String> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(String::from)
        .with_context(|| format!("the answer has no text at {pointer}: {value}"))
}

/// A list at a JSON pointer.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> Result<&'a Vec<Value>> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .with_context(|| format!("the answer has no list at {pointer}: {value}"))
}

/// A byte count or sequence, which the API sends as decimal text; null counts as 0.
pub(crate) fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .or_else(|| value.as_str()?.parse().ok())
        .unwrap_or_default()
}

fn post(url: &str, token: Option<&str>, body: &Value) -> Result<Value> {
    let answer = curl(url, token, Some(body), &[])?;
    serde_json::from_str(&answer).with_context(|| format!("{url} did not answer with JSON"))
}

/// Tokens and passwords go through curl's standard input, never its arguments.
fn curl(url: &str, token: Option<&str>, body: Option<&Value>, more: &[String]) -> Result<String> {
    let mut config = format!("url = {}\n", quoted(url));
    if let Some(token) = token {
        config.push_str(&format!(
            "header = {}\n",
            quoted(&format!("authorization: Bearer {token}"))
        ));
    }
    if let Some(body) = body {
        config.push_str("header = \"content-type: application/json\"\n");
        config.push_str("header = \"accept: application/json\"\n");
        config.push_str(&format!("data-raw = {}\n", quoted(&body.to_string())));
    }
    let mut child = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--fail-with-body",
            "--max-time",
            "120",
        ])
        .args(["--noproxy", "*", "--config", "-"])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start curl")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(config.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    shell::check_interrupted()?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let problem = String::from_utf8_lossy(&output.stderr);
        bail!("{} {answer}", problem.trim());
    }
    Ok(answer)
}

/// A quoted value of a curl configuration file.
fn quoted(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "\"{}\"",
        value
            .replace('\n', "\\n")
            .replace('\r', "\\r")
            .replace('\t', "\\t")
    )
}

fn first_line(query: &str) -> &str {
    query
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or_default()
}

fn random_id() -> Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid").context("make a random id")?;
    Ok(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curl_reads_back_what_was_quoted() {
        assert_eq!(quoted(r#"{"a":"b\n"}"#), r#""{\"a\":\"b\\n\"}""#);
    }

    #[test]
    fn numbers_come_as_text_or_as_numbers() {
        assert_eq!(number(&json!("18446744073709551615")), u64::MAX);
        assert_eq!(number(&json!(7)), 7);
        assert_eq!(number(&Value::Null), 0);
    }
}
