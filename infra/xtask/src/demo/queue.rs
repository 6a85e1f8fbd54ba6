//! The queue: what to do first, and why.

use super::api::{list, number, text};
use super::platform::People;
use super::show::Show;
use anyhow::{Context, Result, bail};
use serde_json::json;

/// Shows the first entries with the arithmetic of the first; checks that they are ranked.
pub(crate) fn show_top(show: &mut Show, people: &People) -> Result<()> {
    show.step("Rank the queue by risk", |line| {
        let answer = people.requester.api.query(
            "query($id: ID!) { queue(first: 50, filter: { organizationId: $id }) { nodes {
                patch { name severity } hostCount risk { score terms { name input points } } } } }",
            json!({ "id": people.organization }),
        )?;
        let items = list(&answer, "/queue/nodes")?;
        let scores: Vec<_> = items
            .iter()
            .map(|item| item["risk"]["score"].as_f64().unwrap_or(f64::NAN))
            .collect();
        if !scores.is_sorted_by(|one, next| one >= next) {
            bail!("the queue is not ranked by risk: {scores:?}");
        }
        for item in items.iter().take(3) {
            let name = text(item, "/patch/name")?;
            let (hosts, score) = (number(&item["hostCount"]), &item["risk"]["score"]);
            line.say(&format!("{name}: risk {score}, {hosts} hosts"));
        }
        let first = items.first().context("the queue is empty")?;
        let mut terms = Vec::new();
        for term in list(first, "/risk/terms")? {
            terms.push(format!("{} {}", text(term, "/name")?, term["points"]));
        }
        let name = text(first, "/patch/name")?;
        let sentence = format!(
            "{} patches are ranked; first is {name} ({})",
            items.len(),
            terms.join(" + ")
        );
        Ok(((), sentence))
    })
}
