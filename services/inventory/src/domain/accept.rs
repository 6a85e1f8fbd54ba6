//! Whether a new version of a feed may replace the one that is held. A truncated download or a broken export must not
//! close findings, so when in doubt the last good version stays.

/// A feed may lose at most this part of its records from one import to the next.
const MAX_SHRINK: f64 = 0.10;
/// At most this part of a feed's records may be unreadable.
const MAX_BROKEN: f64 = 0.05;

/// Why a feed was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedRefused {
    /// Nothing readable.
    #[error("feed {feed} has no readable record: {problem}")]
    Empty {
        /// Which feed.
        feed: String,
        /// The first reason.
        problem: String,
    },
    /// Too many broken records.
    #[error("feed {feed} has {skipped} broken of {all} records, first: {problem}")]
    Broken {
        /// Which feed.
        feed: String,
        /// How many are broken.
        skipped: u64,
        /// Of how many.
        all: u64,
        /// The first reason.
        problem: String,
    },
    /// Too few records.
    #[error("feed {feed} shrank from {held} to {records} records; the last good one stays")]
    Shrank {
        /// Which feed.
        feed: String,
        /// Records now.
        records: u64,
        /// Records that are held.
        held: u64,
    },
}

/// An error unless the feed may replace the one that is held (`held` records; 0 for none).
#[allow(
    clippy::cast_precision_loss,
    reason = "counts of records are far below 2^52"
)]
pub fn accept(
    feed: &str,
    records: u64,
    skipped: u64,
    problem: Option<&str>,
    held: u64,
) -> Result<(), FeedRefused> {
    let feed = || feed.to_owned();
    let problem = || problem.unwrap_or("it is empty").to_owned();
    let all = records + skipped;
    if records == 0 {
        return Err(FeedRefused::Empty {
            feed: feed(),
            problem: problem(),
        });
    }
    // One broken record of a small feed is no reason to refuse it.
    if skipped > 1 && skipped as f64 > all as f64 * MAX_BROKEN {
        return Err(FeedRefused::Broken {
            feed: feed(),
            skipped,
            all,
            problem: problem(),
        });
    }
    if (records as f64) < held as f64 * (1.0 - MAX_SHRINK) {
        return Err(FeedRefused::Shrank {
            feed: feed(),
            records,
            held,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_and_small_losses_pass() {
        for (records, skipped, held) in [(100, 0, 0), (100, 5, 100), (95, 0, 100), (3, 1, 0)] {
            assert_eq!(
                accept("x", records, skipped, None, held),
                Ok(()),
                "{records} {skipped} {held}"
            );
        }
    }

    #[test]
    fn empty_broken_and_shrunken_feeds_are_refused() {
        assert!(matches!(
            accept("x", 0, 0, None, 5),
            Err(FeedRefused::Empty { .. })
        ));
        assert!(matches!(
            accept("x", 90, 10, Some("y"), 0),
            Err(FeedRefused::Broken { .. })
        ));
        assert!(matches!(
            accept("x", 80, 0, None, 100),
            Err(FeedRefused::Shrank { .. })
        ));
    }
}
