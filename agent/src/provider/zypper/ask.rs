//! Asks zypper: its answers are XML (`zypper --xmlout`), over repositories and caches of the agent's own.

use super::Zypper;
use super::repositories::Reach;
use super::xml::{self, Element};
use crate::command::CommandLine;
use crate::provider::rpm::diagnose::diagnose;
use netpatch_agent_core::{Failure, FailureCause};
use std::path::Path;
use std::time::Duration;

/// Limit of a question that needs no network.
pub(super) const READ_LIMIT: Duration = Duration::from_secs(600);
/// Limit of one that fetches.
pub(super) const FETCH_LIMIT: Duration = Duration::from_secs(3600);
/// ZYPPER_EXIT_ZYPP_LOCKED
const LOCKED: i32 = 7;

/// What zypper answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Its exit code; see EXIT CODES in zypper(8).
    pub(super) code: Option<i32>,
    /// Everything it said.
    pub(super) stream: Element,
}

impl Answer {
    /// An answer that is no error.
    pub(super) fn good(self) -> Result<Self, Failure> {
        if self.code == Some(0) {
            Ok(self)
        } else {
            Err(self.failure())
        }
    }

    /// The cause behind its words.
    pub(super) fn failure(&self) -> Failure {
        diagnose(&self.complaints().join("\n"), self.code)
    }

    /// What it complains of, and what it would ask a person.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for said in &self.stream.children {
            let texts = match said.name.as_str() {
                "message" if said.attribute("type") != "info" => vec![said.text.as_str()],
                "prompt" => vec![said.said("description"), said.said("text")],
                _ => continue,
            };
            let texts = texts.into_iter().flat_map(str::lines).map(str::trim_end);
            lines.extend(texts.filter(|line| !line.is_empty()).map(str::to_owned));
        }
        lines
    }

    /// What the solver cannot do, with what it proposes; empty when it can.
    pub(super) fn problems(&self) -> Vec<String> {
        let prompts = self
            .stream
            .children
            .iter()
            .filter(|said| said.name == "prompt");
        let texts = prompts.map(|prompt| prompt.said("description"));
        let problems = texts.filter(|text| text.contains("Problem:"));
        let lines = problems
            .flat_map(str::lines)
            .map(|line| line.trim().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    }
}

impl Zypper {
    /// zypper over a folder of repositories and one of caches, as the host sees them.
    pub(super) fn command<I>(&self, repositories: &Path, caches: &Path, words: I) -> CommandLine
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let mut arguments = vec![
            format!("ZYPP_LOCK_TIMEOUT={}", self.patience.as_secs()),
            "zypper".to_owned(),
            "--non-interactive".into(),
            "--reposd-dir".into(),
            self.inside(repositories),
            "--cache-dir".into(),
            self.inside(caches),
        ];
        arguments.extend(words.into_iter().map(Into::into));
        CommandLine::new("env", arguments)
    }

    /// An answer in XML, whatever its exit code.
    pub(super) async fn said(
        &self,
        repositories: &Path,
        caches: &Path,
        words: &[String],
        limit: Duration,
    ) -> Result<Answer, Failure> {
        let words = std::iter::once("--xmlout".to_owned()).chain(words.iter().cloned());
        let command = self.command(repositories, caches, words);
        let output = self.runner.run(&command, limit).await?;
        let mut stream = None;
        let read = xml::each(output.stdout.as_bytes(), "stream", &["progress"], |whole| {
            stream = Some(whole);
            Ok(())
        });
        let (Ok(()), Some(stream)) = (&read, stream) else {
            let failure = diagnose(&output.text(), output.code);
            let problem = read.err().unwrap_or_else(|| "nothing was said".to_owned());
            return Err(match failure.cause {
                FailureCause::Unknown(_) => Failure::new(
                    failure.cause,
                    std::iter::once(format!("zypper's answer cannot be read: {problem}"))
                        .chain(failure.evidence),
                ),
                _ => failure,
            });
        };
        let answer = Answer {
            code: output.code,
            stream,
        };
        if answer.code == Some(LOCKED) {
            let lines = answer.complaints();
            return Err(Failure::new(FailureCause::PackageManagerLocked, lines));
        }
        Ok(answer)
    }

    /// A question over the repositories of the host that needs no network.
    pub(super) async fn ask<I>(&self, words: I) -> Result<Answer, Failure>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let repositories = self.own_repositories(Reach::Fetched)?;
        let words: Vec<String> = std::iter::once("--no-refresh".to_owned())
            .chain(words.into_iter().map(Into::into))
            .collect();
        self.said(&repositories, &self.caches(), &words, READ_LIMIT)
            .await
    }

    /// A job that fetches.
    pub(super) async fn fetch<I>(&self, proxy: Option<&str>, words: I) -> Result<Answer, Failure>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let repositories = self.own_repositories(Reach::Through(proxy))?;
        let words: Vec<String> = words.into_iter().map(Into::into).collect();
        let answer = self
            .said(&repositories, &self.caches(), &words, FETCH_LIMIT)
            .await;
        if proxy.is_some() {
            // The proxy lives as long as a session or a run.
            let _ = std::fs::remove_dir_all(&repositories);
        }
        answer
    }
}
