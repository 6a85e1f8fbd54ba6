//! Maven: `ComparableVersion` of Maven 4, whose order is transitive where that of Maven 3 is not.

use super::number::Number;
use std::cmp::Ordering;

/// A Maven version.
#[derive(Clone, Debug)]
pub(super) struct Maven(Vec<Item>);

#[derive(Clone, Debug)]
enum Item {
    Number(Number),
    Word(Qualifier),
    /// `rc1`, `rc-1`.
    Combination(Qualifier, Number),
    /// What follows a dash, or a change between digits and letters.
    List(Vec<Item>),
}

/// Known ones by rank, the others after them by their text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Qualifier(u8, Box<str>);

/// The rank of a release: of no qualifier, `ga`, `final` and `release`.
const RELEASE: u8 = 5;
const UNKNOWN: u8 = 7;

impl Qualifier {
    fn new(word: &str, before_digit: bool) -> Self {
        let rank = match word {
            "a" if before_digit => 0,
            "b" if before_digit => 1,
            "m" if before_digit => 2,
            "alpha" => 0,
            "beta" => 1,
            "milestone" => 2,
            "rc" | "cr" => 3,
            "snapshot" => 4,
            "" | "ga" | "final" | "release" => RELEASE,
            "sp" => 6,
            _ => UNKNOWN,
        };
        Self(rank, if rank == UNKNOWN { word } else { "" }.into())
    }
}

/// The parser's position: lists only ever nest at their end, so the open ones are a stack.
struct Parser {
    open: Vec<Vec<Item>>,
}

impl Parser {
    fn list(&mut self) -> &mut Vec<Item> {
        if self.open.is_empty() {
            self.open.push(Vec::new());
        }
        let last = self.open.len() - 1;
        &mut self.open[last]
    }

    fn nest(&mut self) {
        self.open.push(Vec::new());
    }

    fn nest_unless_empty(&mut self) {
        if !self.list().is_empty() {
            self.nest();
        }
    }

    /// Closes every list, the innermost first.
    fn finish(mut self) -> Vec<Item> {
        let mut inner = normalized(std::mem::take(self.list()));
        self.open.pop();
        while let Some(mut outer) = self.open.pop() {
            outer.push(Item::List(inner));
            inner = normalized(outer);
        }
        inner
    }
}

impl Maven {
    /// Maven takes any text; blanks and control characters are refused here.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return None;
        }
        let text = text.to_lowercase();
        let bytes = text.as_bytes();
        let mut parser = Parser { open: Vec::new() };
        let (mut start, mut is_digit, mut is_combination) = (0, false, false);
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                b'.' | b'-' => {
                    let joins = byte == b'-'
                        && at > start
                        && !is_digit
                        && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
                    if joins {
                        is_combination = true;
                        continue;
                    }
                    let item = if at == start {
                        Item::Number(Number::ZERO)
                    } else {
                        item(is_combination, is_digit, &text[start..at])
                    };
                    parser.list().push(item);
                    is_combination = false;
                    start = at + 1;
                    if byte == b'-' {
                        parser.nest();
                    }
                }
                b'0'..=b'9' => {
                    if !is_digit && at > start {
                        is_combination = true;
                        parser.nest_unless_empty();
                    }
                    is_digit = true;
                }
                _ => {
                    if is_digit && at > start {
                        parser
                            .list()
                            .push(item(is_combination, true, &text[start..at]));
                        start = at;
                        parser.nest();
                        is_combination = false;
                    }
                    is_digit = false;
                }
            }
        }
        if start < text.len() {
            if !is_digit {
                parser.nest_unless_empty();
            }
            parser
                .list()
                .push(item(is_combination, is_digit, &text[start..]));
        }
        Some(Self(parser.finish()))
    }
}

fn item(is_combination: bool, is_digit: bool, text: &str) -> Item {
    if is_combination {
        let end = text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (word, digits) = text.split_at(end);
        let number = Number::parse(digits).unwrap_or(Number::ZERO);
        return Item::Combination(Qualifier::new(&word.replace('-', ""), true), number);
    }
    match Number::parse(text) {
        Some(number) if is_digit => Item::Number(number),
        _ => Item::Word(Qualifier::new(text, false)),
    }
}

/// Without what means nothing at the end and before a qualifier.
fn normalized(mut list: Vec<Item>) -> Vec<Item> {
    for at in (0..list.len()).rev() {
        let is_null = match &list[at] {
            Item::Number(number) => number.is_zero(),
            Item::Word(_) | Item::Combination(..) => false,
            Item::List(items) => items.is_empty(),
        };
        let goes = match list.get(at + 1) {
            None | Some(Item::Word(_)) => true,
            Some(Item::List(items)) => {
                matches!(items.first(), Some(Item::Word(_) | Item::Combination(..)))
            }
            Some(_) => false,
        };
        if is_null && goes {
            list.remove(at);
        }
    }
    match &mut list[..] {
        // A zero that went leaves no level of its own.
        [Item::List(inner)] => std::mem::take(inner),
        _ => list,
    }
}

/// Against what is not there.
fn against_nothing(item: &Item) -> Ordering {
    match item {
        Item::Number(number) => number.cmp(&Number::ZERO),
        Item::Word(word) => word.0.cmp(&RELEASE),
        Item::Combination(word, number) => {
            word.0.cmp(&RELEASE).then_with(|| number.cmp(&Number::ZERO))
        }
        Item::List(items) => all_against_nothing(items),
    }
}

fn all_against_nothing(items: &[Item]) -> Ordering {
    items
        .iter()
        .map(against_nothing)
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn compare_items(left: &Item, right: &Item) -> Ordering {
    use Item::{Combination, List, Number, Word};
    match (left, right) {
        (Number(left), Number(right)) => left.cmp(right),
        (Number(_), _) => Ordering::Greater,
        (_, Number(_)) => Ordering::Less,
        (List(left), List(right)) => compare_lists(left, right),
        (List(items), item) => compare_with_list(item, items).reverse(),
        (item, List(items)) => compare_with_list(item, items),
        (Word(left), Word(right)) => left.cmp(right),
        (Combination(left, number), Combination(right, other)) => {
            left.cmp(right).then_with(|| number.cmp(other))
        }
        (Word(left), Combination(right, number)) => compare_with_combination(left, right, number),
        (Combination(left, number), Word(right)) => {
            compare_with_combination(right, left, number).reverse()
        }
    }
}

/// `rc` comes before `rc1`; a release word is nothing, and so the number decides.
fn compare_with_combination(word: &Qualifier, other: &Qualifier, number: &Number) -> Ordering {
    word.cmp(other).then_with(|| {
        if word.0 == RELEASE {
            Number::ZERO.cmp(number)
        } else {
            Ordering::Less
        }
    })
}

/// A word or combination as if it were a list of one.
fn compare_with_list(item: &Item, items: &[Item]) -> Ordering {
    match items.split_first() {
        None => against_nothing(item),
        Some((first, rest)) => {
            compare_items(item, first).then_with(|| all_against_nothing(rest).reverse())
        }
    }
}

fn compare_lists(left: &[Item], right: &[Item]) -> Ordering {
    (0..left.len().max(right.len()))
        .map(|at| match (left.get(at), right.get(at)) {
            (Some(left), Some(right)) => compare_items(left, right),
            (Some(left), None) => against_nothing(left),
            (None, Some(right)) => against_nothing(right).reverse(),
            (None, None) => Ordering::Equal,
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

impl Ord for Maven {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_lists(&self.0, &other.0)
    }
}

impl PartialOrd for Maven {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Maven {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Maven {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualifiers_come_before_and_after_the_release() {
        let version = |text| Maven::parse(text).expect("valid");
        let ascending = [
            "1-alpha1",
            "1-beta-1",
            "1-m2",
            "1-RC1",
            "1-SNAPSHOT",
            "1.0.Final",
            "1-sp",
            "1-jre",
            "1-1",
            "1.1",
        ];
        assert!(ascending.is_sorted_by(|left, right| version(left) < version(right)));
        assert_eq!(version("1.0.0-ga"), version("1"));
        assert_eq!(version("1-a1"), version("1-alpha-1"));
        assert!(Maven::parse("").is_none());
    }
}
