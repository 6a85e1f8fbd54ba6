//! The events of an OSV range as intervals, by OSV's own evaluation: sorted by version, `introduced` opens, `fixed`,
//! `last_affected` and `limit` close.

use crate::domain::affected::{End, Prereleases, Range};
use netpatch_types::Ecosystem;
use netpatch_types::version::Version;
use serde::Deserialize;
use std::cmp::Ordering;

#[derive(Deserialize)]
pub(super) struct RawRange {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    events: Vec<RawEvent>,
}

#[derive(Deserialize)]
struct RawEvent {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
    limit: Option<String>,
}

/// What happens at a version.
enum Event {
    Introduced,
    Fixed,
    LastAffected,
}

/// The intervals of a range; none for one of commits.
pub(super) fn ranges_of(ecosystem: Ecosystem, raw: &RawRange) -> Result<Vec<Range>, String> {
    if raw.kind == "GIT" {
        return Ok(Vec::new());
    }
    if raw.events.len() > super::MAX_ITEMS {
        return Err(format!("a range has more than {} events", super::MAX_ITEMS));
    }
    // `None` is OSV's "0": before every version.
    let mut events: Vec<(Option<Version>, Event, &str)> = Vec::new();
    for event in &raw.events {
        let named = [
            (&event.introduced, Event::Introduced),
            (&event.fixed, Event::Fixed),
            (&event.last_affected, Event::LastAffected),
            // No version from a limit on is affected, which is what a fix says too.
            (&event.limit, Event::Fixed),
        ];
        for (text, event) in named {
            let Some(text) = text else { continue };
            let version = match (text.as_str(), &event) {
                ("0", Event::Introduced) => None,
                ("*", Event::Fixed) => continue,
                _ => Some(Version::parse(ecosystem, text).map_err(|error| error.to_string())?),
            };
            events.push((version, event, text));
        }
    }
    // Some records leave the obvious beginning out.
    if !events
        .iter()
        .any(|(_, event, _)| matches!(event, Event::Introduced))
        && !events.is_empty()
    {
        events.push((None, Event::Introduced, "0"));
    }
    // Stable: at one version the record's own order counts. `None` sorts first.
    events.sort_by(|left, right| match (&left.0, &right.0) {
        (Some(left), Some(right)) => left.partial_cmp(right).unwrap_or(Ordering::Equal),
        (left, right) => left.is_some().cmp(&right.is_some()),
    });
    let mut ranges = Vec::new();
    let mut open: Option<Option<&str>> = None;
    let range = |from: Option<&str>, end: End| Range {
        introduced: from.map(str::to_owned),
        end,
        prereleases: Prereleases::Ordered,
    };
    for (version, event, text) in &events {
        match event {
            Event::Introduced if open.is_none() => open = Some(version.as_ref().map(|_| *text)),
            Event::Introduced => {}
            Event::Fixed => {
                if let Some(from) = open.take() {
                    ranges.push(range(from, End::Fixed((*text).to_owned())));
                }
            }
            Event::LastAffected => {
                if let Some(from) = open.take() {
                    ranges.push(range(from, End::LastAffected((*text).to_owned())));
                }
            }
        }
    }
    if let Some(from) = open {
        ranges.push(range(from, End::Open));
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(events: &str) -> Result<Vec<(Option<String>, End)>, String> {
        let raw = format!(r#"{{"type":"ECOSYSTEM","events":{events}}}"#);
        let raw: RawRange = serde_json::from_str(&raw).expect("a range");
        let ranges = ranges_of(Ecosystem::Deb, &raw)?;
        Ok(ranges
            .into_iter()
            .map(|range| (range.introduced, range.end))
            .collect())
    }

    #[test]
    fn events_in_any_order_become_intervals() {
        let fixed = |version: &str| End::Fixed(version.to_owned());
        assert_eq!(
            read(
                r#"[{"fixed":"5.2"},{"introduced":"4"},{"introduced":"5"},{"fixed":"4.3"},{"introduced":"6"}]"#
            ),
            Ok(vec![
                (Some("4".into()), fixed("4.3")),
                (Some("5".into()), fixed("5.2")),
                (Some("6".into()), End::Open),
            ])
        );
        assert_eq!(
            read(r#"[{"introduced":"0"},{"last_affected":"3"}]"#),
            Ok(vec![(None, End::LastAffected("3".into()))])
        );
    }

    #[test]
    fn the_first_fix_closes() {
        assert_eq!(
            read(r#"[{"introduced":"0"},{"fixed":"2"},{"fixed":"1"}]"#),
            Ok(vec![(None, End::Fixed("1".into()))])
        );
        assert_eq!(
            read(r#"[{"fixed":"2"}]"#),
            Ok(vec![(None, End::Fixed("2".into()))])
        );
    }

    #[test]
    fn a_limit_closes_and_a_star_does_not() {
        assert_eq!(
            read(r#"[{"introduced":"1"},{"limit":"2"}]"#),
            Ok(vec![(Some("1".into()), End::Fixed("2".into()))])
        );
        assert_eq!(
            read(r#"[{"introduced":"1"},{"limit":"*"}]"#),
            Ok(vec![(Some("1".into()), End::Open)])
        );
    }

    #[test]
    fn a_version_that_is_none_is_refused() {
        assert!(read(r#"[{"introduced":"0"},{"fixed":"1 2"}]"#).is_err());
    }
}
