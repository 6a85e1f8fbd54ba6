//! Version requirements as people write them in advisories, `>=1.2 <2 || ~3.1`, as intervals of semantic versions.
//!
//! Two dialects: npm's (node-semver, ranges.bnf) and Cargo's (The Cargo Book, "Specifying Dependencies"). They differ in what a
//! bare version means, in what separates comparators, and in whether a partial bound leaves out the pre-releases of the next.

use semver::{Prerelease, Version};

/// Who reads the requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// A bare version is exactly it; `<1.2` leaves out `1.2.0-rc.1`.
    Npm,
    /// A bare version is the caret's; `<1.2` has `1.2.0-rc.1`.
    Cargo,
}

/// An end of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The version at the end.
    pub version: Version,
    /// Whether it is inside.
    pub inclusive: bool,
}

/// Versions from a lower to an upper end; `None` is without end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The lower end.
    pub lower: Option<Bound>,
    /// The upper end.
    pub upper: Option<Bound>,
}

/// Longest requirement, bytes. The longest real one has some 300.
const MAX_BYTES: usize = 4_096;

/// The spans of a requirement, in its order; they may overlap.
pub fn parse(text: &str, dialect: Dialect) -> Result<Vec<Span>, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("a requirement has more than {MAX_BYTES} bytes"));
    }
    let mut spans = Vec::new();
    for set in text.split("||") {
        spans.extend(set_of(set, dialect)?);
    }
    Ok(spans)
}

/// One set of comparators, all of which must hold; `None` when nothing can.
fn set_of(text: &str, dialect: Dialect) -> Result<Option<Span>, String> {
    if let Some((low, high)) = text.split_once(" - ") {
        let span = intersect(
            comparator(">=", low.trim(), dialect)?,
            comparator("<=", high.trim(), dialect)?,
        );
        return Ok(span);
    }
    let mut whole = Some(Span::default());
    let mut operator = "";
    for word in text.split(|c: char| c.is_whitespace() || c == ',') {
        let version = word.trim_start_matches(|c| "<>=~^".contains(c));
        let (own, version) = (&word[..word.len() - version.len()], version);
        if word.is_empty() {
            continue;
        }
        if !own.is_empty() && !operator.is_empty() {
            return Err(format!(
                "{:?} has an operator without a version",
                shown(text)
            ));
        }
        if version.is_empty() {
            // `>= 1.2`: the version is the next word.
            operator = own;
            continue;
        }
        let span = comparator(
            if own.is_empty() { operator } else { own },
            version,
            dialect,
        )?;
        operator = "";
        whole = whole.and_then(|known| intersect(known, span));
    }
    if operator.is_empty() {
        Ok(whole)
    } else {
        Err(format!(
            "{:?} has an operator without a version",
            shown(text)
        ))
    }
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

/// `1`, `1.2`, `1.2.x`, `1.2.3-rc.1`.
struct Partial {
    major: Option<u64>,
    minor: Option<u64>,
    patch: Option<u64>,
    pre: Prerelease,
}

impl Partial {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start_matches(['v', '=']);
        let text = text.split('+').next()?;
        let (core, pre) = match text.split_once('-') {
            Some((core, pre)) => (core, Prerelease::new(pre).ok()?),
            None => (text, Prerelease::EMPTY),
        };
        let mut parts = core.split('.');
        let mut number = || match parts.next() {
            None | Some("x" | "X" | "*") => Some(None),
            Some(part) if part.bytes().all(|byte| byte.is_ascii_digit()) => {
                part.parse().ok().map(Some)
            }
            Some(_) => None,
        };
        let (major, minor, patch) = (number()?, number()?, number()?);
        let one = Self {
            major,
            minor: major.and(minor),
            patch: major.and(minor).and(patch),
            pre,
        };
        (parts.next().is_none() && (one.pre.is_empty() || one.patch.is_some())).then_some(one)
    }

    /// The first version of it.
    fn low(&self) -> Version {
        Version {
            pre: self.pre.clone(),
            ..version(
                self.major.unwrap_or(0),
                self.minor.unwrap_or(0),
                self.patch.unwrap_or(0),
            )
        }
    }

    /// The first version behind all of those that it stands for.
    fn next(&self) -> Version {
        let (major, minor) = (self.major.unwrap_or(0), self.minor.unwrap_or(0));
        match (self.minor, self.patch) {
            (None, _) => version(major.saturating_add(1), 0, 0),
            (_, None) => version(major, minor.saturating_add(1), 0),
            (_, Some(patch)) => version(major, minor, patch.saturating_add(1)),
        }
    }
}

fn version(major: u64, minor: u64, patch: u64) -> Version {
    Version::new(major, minor, patch)
}

fn comparator(operator: &str, text: &str, dialect: Dialect) -> Result<Span, String> {
    let partial = Partial::parse(text).ok_or_else(|| format!("{:?} is no version", shown(text)))?;
    let lower = |version: Version, inclusive: bool| Some(Bound { version, inclusive });
    // npm leaves the pre-releases of a bound that it completed itself outside.
    let before = |mut version: Version| {
        if dialect == Dialect::Npm {
            version.pre = zero();
        }
        Some(Bound {
            version,
            inclusive: false,
        })
    };
    let is_whole = partial.patch.is_some();
    let low = partial.low();
    let span = |lower, upper| Ok(Span { lower, upper });
    if partial.major.is_none() {
        return match operator {
            "<" | ">" => span(lower(low.clone(), true), before(low)),
            _ => Ok(Span::default()),
        };
    }
    match operator {
        ">=" => span(lower(low, true), None),
        ">" if is_whole || dialect == Dialect::Cargo => span(lower(low, false), None),
        ">" => span(lower(partial.next(), true), None),
        "<" if is_whole => span(None, lower(low, false)),
        "<" => span(None, before(low)),
        "<=" if is_whole => span(None, lower(low, true)),
        "<=" => span(None, before(partial.next())),
        "=" | "==" => exactly(&partial, low, before),
        "" if dialect == Dialect::Npm => exactly(&partial, low, before),
        "~" | "~>" => {
            let next = Partial {
                patch: None,
                ..partial
            };
            span(lower(low, true), before(next.next()))
        }
        "^" | "" => span(lower(low, true), before(compatible(&partial))),
        _ => Err(format!("{:?} is no operator", shown(operator))),
    }
}

fn exactly(
    partial: &Partial,
    low: Version,
    before: impl Fn(Version) -> Option<Bound>,
) -> Result<Span, String> {
    let inclusive = |version| {
        Some(Bound {
            version,
            inclusive: true,
        })
    };
    Ok(Span {
        upper: if partial.patch.is_some() {
            inclusive(low.clone())
        } else {
            before(partial.next())
        },
        lower: inclusive(low),
    })
}

/// The caret: up to the next change of the first number that is not zero.
fn compatible(partial: &Partial) -> Version {
    let (major, minor) = (partial.major.unwrap_or(0), partial.minor.unwrap_or(0));
    if major > 0 || partial.minor.is_none() {
        version(major.saturating_add(1), 0, 0)
    } else if minor > 0 || partial.patch.is_none() {
        version(0, minor.saturating_add(1), 0)
    } else {
        version(0, 0, partial.patch.unwrap_or(0).saturating_add(1))
    }
}

/// The lowest pre-release, `-0`.
fn zero() -> Prerelease {
    Prerelease::new("0").unwrap_or(Prerelease::EMPTY)
}

/// The lowest version above another: `1.2.4-0` above `1.2.3`, `1.2.3-rc.1.0` above `1.2.3-rc.1`.
#[must_use]
pub fn successor(version: &Version) -> Version {
    let mut next = Version::new(version.major, version.minor, version.patch);
    if version.pre.is_empty() {
        next.patch = next.patch.saturating_add(1);
        next.pre = zero();
    } else {
        next.pre =
            Prerelease::new(&format!("{}.0", version.pre)).unwrap_or_else(|_| version.pre.clone());
    }
    next
}

fn intersect(left: Span, right: Span) -> Option<Span> {
    let lower = match (left.lower, right.lower) {
        (Some(left), Some(right)) => {
            let key = |bound: &Bound| (bound.version.clone(), !bound.inclusive);
            Some(if key(&left) >= key(&right) {
                left
            } else {
                right
            })
        }
        (left, right) => left.or(right),
    };
    let upper = match (left.upper, right.upper) {
        (Some(left), Some(right)) => {
            let key = |bound: &Bound| (bound.version.clone(), bound.inclusive);
            Some(if key(&left) <= key(&right) {
                left
            } else {
                right
            })
        }
        (left, right) => left.or(right),
    };
    let is_empty = match (&lower, &upper) {
        (Some(low), Some(high)) => {
            low.version > high.version
                || (low.version == high.version && !(low.inclusive && high.inclusive))
        }
        _ => false,
    };
    (!is_empty).then_some(Span { lower, upper })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, dialect: Dialect, version: &str) -> bool {
        let version = Version::parse(version).expect("a version");
        let inside = |span: &Span| {
            span.lower.as_ref().is_none_or(|low| {
                low.version < version || (low.inclusive && low.version == version)
            }) && span.upper.as_ref().is_none_or(|high| {
                version < high.version || (high.inclusive && high.version == version)
            })
        };
        parse(text, dialect)
            .expect("a requirement")
            .iter()
            .any(inside)
    }

    #[test]
    fn npm_requirements_hold_what_npm_says() {
        for (text, inside, outside) in [
            ("<=1.5.1", "1.5.1", "1.5.2"),
            ("< 6.1.0", "6.0.9", "6.1.0"),
            ("<= 1.0", "1.0.9", "1.1.0-rc.1"),
            (">1.0", "1.1.0", "1.0.9"),
            ("2.0.x || 2.1.x", "2.1.7", "2.2.0"),
            (">= 1.0.0 < 1.4.6 || 2.0.0", "2.0.0", "2.0.1"),
            ("<5.0.3 >=5.0.0 || < 4.2.1", "5.0.1", "4.9.0"),
            ("~0.8.0-pre", "0.8.0-pre", "0.9.0-0"),
            ("=3.0.0-rc.1", "3.0.0-rc.1", "3.0.0"),
            ("1.2 - 2.3", "2.3.9", "2.4.0"),
            ("^0.2.3", "0.2.9", "0.3.0"),
            ("*", "0.0.1", "0.0.0-0"),
        ] {
            assert!(holds(text, Dialect::Npm, inside), "{text} has {inside}");
            assert!(
                !holds(text, Dialect::Npm, outside) || text == "*",
                "{text} has not {outside}"
            );
        }
    }

    #[test]
    fn cargo_requirements_hold_what_cargo_says() {
        for (text, inside, outside) in [
            ("^ 0.2.2", "0.2.9", "0.3.0"),
            ("1.2.3", "1.9.0", "2.0.0"),
            (">= 0.9, < 1.0.0", "0.9.0", "1.0.0"),
            ("> 0.7.19", "0.7.20-alpha", "0.7.19"),
            ("< 0.3", "0.3.0-alpha", "0.3.0"),
        ] {
            assert!(holds(text, Dialect::Cargo, inside), "{text} has {inside}");
            assert!(
                !holds(text, Dialect::Cargo, outside),
                "{text} has not {outside}"
            );
        }
    }

    #[test]
    fn nothing_lies_between_a_version_and_its_successor() {
        for (text, next) in [("1.2.3", "1.2.4-0"), ("1.2.3-rc.1", "1.2.3-rc.1.0")] {
            let version = Version::parse(text).expect("a version");
            assert_eq!(successor(&version).to_string(), next);
            assert!(successor(&version) > version);
        }
    }

    #[test]
    fn what_is_no_requirement_is_refused() {
        for text in [">=", ">= >= 1", "1.2.3.4", "latest", "1.x-rc", "=>1.0"] {
            assert!(parse(text, Dialect::Npm).is_err(), "{text}");
        }
        assert!(parse(&"1 ".repeat(MAX_BYTES), Dialect::Npm).is_err());
        assert_eq!(parse(">2 <1", Dialect::Npm), Ok(Vec::new()));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9x.*<>=~^|, va-c-]{0,40}") {
            let _ = parse(&text, Dialect::Npm);
            let _ = parse(&text, Dialect::Cargo);
        }
    }
}
