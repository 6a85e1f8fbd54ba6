//! From whom a payload is fetched: the mirrors of its repository, and the platform, which keeps some.

use super::Inner;
use super::fill::Fill;
use super::origin::{Answer, Ask};
use netpatch_relay_core::PayloadKey;
use std::fmt;

/// Where bytes come from.
pub(super) enum Source {
    /// An upstream, by the payload's address there.
    Mirror(String),
    /// The platform, by the payload's hash.
    Platform,
    /// Nobody: it was made here.
    Rebuilt,
}

impl Source {
    pub(super) fn is_platform(&self) -> bool {
        matches!(self, Self::Platform)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mirror(url) => f.write_str(url),
            Self::Platform => f.write_str("the platform"),
            Self::Rebuilt => f.write_str("a difference"),
        }
    }
}

impl Inner {
    /// Whom to ask, in this order: mirrors as they are set, but what failed a moment ago last, and the platform where it is wanted.
    pub(super) fn sources(&self, urls: &[String]) -> Vec<Source> {
        let mirrors = self.origin.in_order(urls);
        let mut sources: Vec<Source> = mirrors.into_iter().map(Source::Mirror).collect();
        match self.stored.is_first() {
            Some(true) => sources.insert(0, Source::Platform),
            Some(false) => sources.push(Source::Platform),
            None => {}
        }
        sources
    }

    /// Asks one of them.
    pub(super) async fn ask(
        &self,
        source: &Source,
        key: &PayloadKey,
        fill: &Fill,
        what: &Ask<'_>,
    ) -> Answer {
        match source {
            Source::Mirror(url) => self.origin.ask(url, what).await,
            Source::Platform => {
                let patience = self.origin.patience();
                let expected = fill.all_expected();
                self.stored.ask(key, &expected, what, patience).await
            }
            Source::Rebuilt => Answer::Absent,
        }
    }

    /// It failed, or sent what it should not.
    pub(super) fn shun(&self, source: &Source) {
        match source {
            Source::Mirror(url) => self.origin.shun(url),
            Source::Platform => self.stored.shun(),
            Source::Rebuilt => {}
        }
    }
}
