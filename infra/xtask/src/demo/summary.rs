//! The last lines: what happened on each host.

use super::platform::People;
use super::rollout::Deployment;
use super::show::Show;
use super::verdict;
use crate::steps::seconds;
use anyhow::Result;

/// Prints one line a host on stdout.
pub(crate) fn print(people: &People, deployment: &Deployment, show: &Show) -> Result<()> {
    println!();
    println!("exposed → patched → proven in {}:", seconds(show.elapsed()));
    for (host, run) in verdict::runs(people, deployment)? {
        let status = run["status"]
            .as_str()
            .unwrap_or_default()
            .to_lowercase()
            .replace('_', " ");
        match run["error"]["code"].as_str() {
            Some(code) => {
                let message = run["error"]["message"].as_str().unwrap_or_default();
                println!("  {host}: failed ({code}: {message}), then {status}");
            }
            None => println!("  {host}: {status}, confirmed by a new scan"),
        }
    }
    Ok(())
}
