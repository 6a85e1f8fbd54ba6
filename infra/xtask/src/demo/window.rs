//! A maintenance window that opens while we watch.

use super::api::text;
use super::platform::People;
use super::show::Show;
use crate::shell;
use anyhow::{Context, Result};
use serde_json::json;
use std::process::Command;

/// Enough to approve and plan before it opens.
const OPENS_IN_SECONDS: u32 = 40;

/// The window and when it opens.
pub(crate) struct Window {
    pub(crate) id: String,
    /// RFC 3339.
    pub(crate) opens_at: String,
}

/// A daily window whose next occurrence begins shortly.
pub(crate) fn create(show: &mut Show, people: &People) -> Result<Window> {
    show.step("Create a maintenance window", |_| {
        let starts_at = shell::output(Command::new("date").args([
            "--utc",
            "--date",
            &format!("now + {OPENS_IN_SECONDS} seconds"),
            "+%Y-%m-%dT%H:%M:%S",
        ]))?;
        let created = people.requester.api.mutate(
            "windowCreate",
            json!({
                "organizationId": people.organization, "name": "Every day", "rrule": "FREQ=DAILY",
                "startsAt": starts_at.trim(), "duration": "PT3H", "timeZone": "Etc/UTC",
            }),
            "window { id nextStart }",
        )?;
        let id = text(&created, "/window/id")?;
        let opens_at =
            text(&created, "/window/nextStart").context("the window has no next occurrence")?;
        let sentence = format!("A maintenance window opens daily, next at {opens_at}");
        Ok((Window { id, opens_at }, sentence))
    })
}
