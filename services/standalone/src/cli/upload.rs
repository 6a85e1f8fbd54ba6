//! Files that commands send to the platform.

use super::api::Refused;
use anyhow::Context as _;
use serde_json::Value;
use std::io::Read as _;
use std::path::Path;

/// The bytes of a file, or of standard input for `-`; an error, which ends with `remedy`, when there are more than `most` MiB.
pub(super) fn read(file: &Path, most_mib: u64, remedy: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let shown = file.display();
    let most = most_mib << 20;
    if file.as_os_str() == "-" {
        std::io::stdin()
            .lock()
            .take(most + 1)
            .read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(file)
            .and_then(|open| open.take(most + 1).read_to_end(&mut bytes))
            .with_context(|| format!("reading {shown}"))?;
    }
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        anyhow::bail!("{shown} has more than {most_mib} MiB{remedy}");
    }
    Ok(bytes)
}

/// Why the platform did not take a file.
pub(super) fn refused(status: u16, answer: &Value) -> Refused {
    let exit = match status {
        401 | 403 => 4,
        404 => 5,
        429 | 500.. => 7,
        _ => 1,
    };
    let message = answer["errors"][0]["message"].as_str();
    let message = message.map_or_else(|| format!("the platform answers {status}"), str::to_owned);
    Refused::new(exit, message)
}
