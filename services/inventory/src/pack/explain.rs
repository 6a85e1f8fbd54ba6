//! Deciding a finding again from the advisory itself, as a pack has it.

use super::files::PackFileError;
use super::offline::Offline;
use crate::domain::explain::{Claim, Outcome, Step, examine};

/// What the evidence decides, and whether the pack's record is the same and still applies.
pub fn examine_with(pack: &Offline, claim: &Claim) -> Result<Vec<Step>, PackFileError> {
    let mut steps = examine(claim);
    steps.push(record(pack, claim)?);
    steps.push(matched(pack, claim)?);
    Ok(steps)
}

fn record(pack: &Offline, claim: &Claim) -> Result<Step, PackFileError> {
    let step = |outcome, sentence| Step::new("record", outcome, sentence);
    let (feed, record) = (&claim.feed, &claim.record);
    Ok(match pack.digests(feed, record)? {
        None => step(Outcome::Unknown, format!("the pack has no feed {feed}")),
        Some(digests) if digests.contains(&claim.record_digest) => step(
            Outcome::Holds,
            format!("the pack's {record} has the digest {}", claim.record_digest),
        ),
        Some(digests) if digests.is_empty() => step(
            Outcome::Fails,
            format!("the pack's feed {feed} has no record {record}"),
        ),
        Some(_) => step(
            Outcome::Unknown,
            format!(
                "the pack has another version of {record}; the finding was made from {}",
                claim.record_digest
            ),
        ),
    })
}

fn matched(pack: &Offline, claim: &Claim) -> Result<Step, PackFileError> {
    let step = |outcome, sentence| Step::new("match", outcome, sentence);
    let Some(matcher) = pack.load(&claim.feed)? else {
        return Ok(step(
            Outcome::Unknown,
            format!("the pack has no feed {}", claim.feed),
        ));
    };
    let matches = match matcher.matches(&claim.component) {
        Ok(matches) => matches,
        Err(error) => return Ok(step(Outcome::Unknown, error.to_string())),
    };
    let (advisory, component) = (&claim.advisory, claim.component.purl());
    let mut fixes = matches
        .iter()
        .filter(|one| one.advisory == advisory)
        .map(|one| one.fixed.unwrap_or_default())
        .peekable();
    Ok(if fixes.peek().is_none() {
        step(
            Outcome::Fails,
            format!("{advisory} does not apply to {component}"),
        )
    } else if fixes.any(|fixed| fixed == claim.fixed_version) {
        let fixed = match claim.fixed_version.as_str() {
            "" => "nothing yet".to_owned(),
            version => version.to_owned(),
        };
        step(
            Outcome::Holds,
            format!("{advisory} applies to {component}; fixed by {fixed}"),
        )
    } else {
        step(
            Outcome::Fails,
            format!("{advisory} applies to {component}, but another version fixes it"),
        )
    })
}
