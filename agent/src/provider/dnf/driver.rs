//! Calls the program that speaks with dnf's solver (`driver.py`).

use super::Dnf;
use crate::command::{CommandLine, Output};
use crate::provider::PlanError;
use crate::provider::files::io_failure;
use crate::provider::rpm::diagnose::diagnose;
use netpatch_agent_core::{Failure, FailureCause, Refusal, Refused};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const PROGRAM: &str = include_str!("driver.py");
/// The interpreter that dnf itself runs with: Red Hat keeps one apart from the users'.
const INTERPRETERS: [&str; 2] = ["/usr/libexec/platform-python", "/usr/bin/python3"];
/// Limit of a question that needs no network.
const READ_LIMIT: Duration = Duration::from_secs(300);
/// Limit of one that fetches.
const FETCH_LIMIT: Duration = Duration::from_secs(3600);

/// An answer that refuses.
#[derive(Deserialize)]
struct Refusing {
    refused: String,
    lines: Vec<String>,
}

impl Dnf {
    /// The command line of a job; writes the program where the host's Python finds it.
    pub(super) fn program(&self, job: &str, mut words: Value) -> Result<CommandLine, Failure> {
        fs::create_dir_all(&self.work).map_err(|error| io_failure("create", &self.work, &error))?;
        let place = self.work.join("driver.py");
        if fs::read(&place).ok().as_deref() != Some(PROGRAM.as_bytes()) {
            crate::state::write_durably(&place, PROGRAM.as_bytes())
                .map_err(|error| io_failure("write", &place, &error))?;
        }
        words["job"] = json!(job);
        words["cache"] = json!(self.inside(&self.work.join("cache")));
        let interpreter = INTERPRETERS
            .into_iter()
            .find(|path| self.runner.outside(path).exists())
            .unwrap_or(INTERPRETERS[1]);
        Ok(CommandLine::new(
            interpreter,
            [self.inside(&place), words.to_string()],
        ))
    }

    async fn said(&self, job: &str, words: Value, limit: Duration) -> Result<Value, Failure> {
        let output = self.runner.run(&self.program(job, words)?, limit).await?;
        answer(&output)
    }

    /// A question that needs no network.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        job: &str,
        words: Value,
    ) -> Result<T, Failure> {
        self.said(job, words, READ_LIMIT).await.and_then(understood)
    }

    /// A job that fetches.
    pub(super) async fn fetch_with<T: DeserializeOwned>(
        &self,
        job: &str,
        words: Value,
    ) -> Result<T, Failure> {
        self.said(job, words, FETCH_LIMIT)
            .await
            .and_then(understood)
    }

    /// A question whose answer may be a refusal.
    pub(super) async fn ask_solver<T: DeserializeOwned>(
        &self,
        job: &str,
        words: Value,
    ) -> Result<T, PlanError> {
        let value = self.said(job, words, READ_LIMIT).await?;
        match serde_json::from_value::<Refusing>(value.clone()) {
            Ok(refusing) => Err(refused(refusing)),
            Err(_) => Ok(understood(value)?),
        }
    }
}

/// The last line of what the program said.
fn answer(output: &Output) -> Result<Value, Failure> {
    if !output.ok() {
        return Err(diagnose(&output.stderr, output.code));
    }
    let line = output
        .stdout
        .lines()
        .rev()
        .find(|line| line.starts_with('{'));
    serde_json::from_str(line.unwrap_or_default())
        .map_err(|error| odd(format!("dnf's answer cannot be read: {error}")))
}

fn understood<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value)
        .map_err(|error| odd(format!("dnf's answer is not as expected: {error}")))
}

fn odd(line: String) -> Failure {
    Failure::new(FailureCause::Unknown(None), [line])
}

fn refused(refusing: Refusing) -> PlanError {
    let detail = refusing.lines.join(" ").trim().to_owned();
    match refusing.refused.as_str() {
        "held" => Refused::new(Refusal::Hold, detail).into(),
        "superseded" => Refused::new(Refusal::Superseded, detail).into(),
        "unsigned" => Failure::new(FailureCause::SignatureInvalid, refusing.lines).into(),
        _ => Failure::new(
            FailureCause::DependencyUnsatisfiable,
            refusing
                .lines
                .into_iter()
                .filter(|line| !line.trim().is_empty()),
        )
        .into(),
    }
}
