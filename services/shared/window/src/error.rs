//! Why a window is refused: the field and what to write instead.

/// Why a rule cannot be a window. Every message names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The text is no RFC 5545 rule, or uses a part that windows do not take.
    #[error("rrule: {0}")]
    Rule(String),
    /// `FREQ` finer than a day.
    #[error(
        "rrule: FREQ={0} is finer than a day; use DAILY, WEEKLY, MONTHLY or YEARLY, and BYHOUR for several times a day"
    )]
    TooFine(String),
    /// No calendar has such a day.
    #[error(
        "rrule: no calendar has such a day ({0}); correct BYMONTH, BYMONTHDAY or BYYEARDAY, or the day of startsAt"
    )]
    Impossible(String),
    /// The rule names no date that matters.
    #[error(
        "rrule: names no window that ends after {0}; move startsAt, UNTIL or COUNT, or correct the BY parts"
    )]
    NeverAgain(String),
    /// Too far from now: the evaluation walks from the start.
    #[error("startsAt: {0} is more than two years from now; choose a start within two years")]
    Start(String),
    /// Outside what a window can last.
    #[error("duration: {0} s is outside 60 s to 92 days; choose a duration between them")]
    Duration(u32),
    /// Outside what an offset can be.
    #[error("offsetDays: {0} is outside -31 to 31; choose an offset between them, or another rule")]
    Offset(i32),
    /// Not in the IANA database.
    #[error(
        "timeZone: {0:?} is not an IANA time zone; write one like Europe/Berlin, or leave it out for the host's own"
    )]
    Zone(String),
}

impl WindowError {
    /// The input field that is wrong, as the API names it.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::Rule(_) | Self::TooFine(_) | Self::Impossible(_) | Self::NeverAgain(_) => "rrule",
            Self::Start(_) => "startsAt",
            Self::Duration(_) => "duration",
            Self::Offset(_) => "offsetDays",
            Self::Zone(_) => "timeZone",
        }
    }
}

impl From<WindowError> for netpatch_types::ServiceError {
    fn from(error: WindowError) -> Self {
        Self::invalid(error.field(), error.to_string())
    }
}
