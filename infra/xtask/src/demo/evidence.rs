//! The evidence pack: exported by the platform, verified offline, and shown to notice a change.

use super::api::{list, text};
use super::platform::People;
use super::rollout::Deployment;
use super::show::{Show, until};
use crate::shell;
use crate::workspace::Target;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Orders the pack and downloads it.
pub(crate) fn export(
    show: &mut Show,
    people: &People,
    deployment: &Deployment,
    folder: &Path,
) -> Result<PathBuf> {
    show.step("Export the evidence pack", |_| {
        let api = &people.requester.api;
        let input = json!({
            "organizationId": people.organization, "kind": "EVIDENCE_PACK",
            "deploymentId": deployment.id,
        });
        let created = api.mutate("reportCreate", input, "report { id }")?;
        let id = text(&created, "/report/id")?;
        let query = "query($id: ID!) { organization(id: $id) { reports(first: 20) { nodes {
            id status message url fileName } } } }";
        let report = until("the evidence pack", Duration::from_secs(120), || {
            let answer = api.query(query, json!({ "id": people.organization }))?;
            let report = list(&answer, "/organization/reports/nodes")?
                .iter()
                .find(|report| report["id"] == id.as_str())
                .context("the ordered report is not listed")?
                .clone();
            match report["status"].as_str() {
                Some("FAILED") => bail!("the report failed: {}", report["message"]),
                Some("READY") => Ok(Some(report)),
                _ => Ok(None),
            }
        })?;
        let pack = folder.join("evidence-pack.json");
        api.download(&text(&report, "/url")?, &pack)?;
        let size = fs::metadata(&pack)?.len();
        Ok((
            pack,
            format!("The evidence pack is exported ({size} bytes)"),
        ))
    })
}

/// Verifies the pack offline; then changes one byte in a copy, which must be found.
pub(crate) fn verify(show: &mut Show, target: &Target, pack: &Path) -> Result<()> {
    show.step("Verify the evidence pack offline", |line| {
        let program = target.program("netpatch");
        let said = shell::output(shell::command(&program).arg("verify").arg(pack))?;
        if let Some(last) = said.lines().rfind(|text| !text.trim().is_empty()) {
            line.say(last);
        }
        let changed = pack.with_extension("changed.json");
        fs::write(&changed, with_one_change(&fs::read_to_string(pack)?)?)?;
        if shell::succeeds(shell::command(&program).arg("verify").arg(&changed)) {
            bail!("netpatch verify accepted a pack with a changed leaf");
        }
        fs::remove_file(changed)?;
        Ok((
            (),
            "netpatch verify accepts the pack, and refuses it with one byte changed".to_owned(),
        ))
    })
}

/// Changes one character in the middle of the longest base64 text, which is a leaf or a signed document.
fn with_one_change(pack: &str) -> Result<String> {
    let longest = pack
        .split('"')
        .filter(|text| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte))
        })
        .max_by_key(|text| text.len())
        .context("the pack holds no encoded document")?;
    let start = longest.as_ptr().addr() - pack.as_ptr().addr();
    let at = start + longest.len() / 2;
    let new = if pack.as_bytes().get(at) == Some(&b'A') {
        "B"
    } else {
        "A"
    };
    let mut changed = pack.to_owned();
    changed.replace_range(at..=at, new);
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::with_one_change;

    #[test]
    fn exactly_one_byte_of_the_longest_document_changes() {
        let pack =
            r#"{"size":"1","leaf":"QUJDREVGR0g=","note":"has spaces and is longer than it"}"#;
        let changed = with_one_change(pack).expect("there is a document");
        let differing = pack
            .bytes()
            .zip(changed.bytes())
            .filter(|(one, other)| one != other);
        assert_eq!(differing.count(), 1);
        assert!(changed.contains("has spaces and is longer than it"));
    }
}
