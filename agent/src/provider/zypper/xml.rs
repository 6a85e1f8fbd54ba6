//! Elements of a stream of XML, one at a time: zypper's answers and the indices of repositories are too long to be held whole.
//!
//! Reading is total: what is torn off, nested too deep or too large is an error with a sentence, never a panic. Namespaces are
//! dropped, entities of a document's own are not resolved.

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::io::BufRead;

/// Deepest nesting.
const MAX_DEPTH: usize = 32;
/// Most text and attributes within one element, bytes.
const MAX_ELEMENT_BYTES: usize = 64 << 20;

/// An element with everything in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Without its namespace.
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    /// Its own text, trimmed.
    pub(super) text: String,
    /// In order.
    pub(super) children: Vec<Element>,
}

impl Element {
    /// An attribute; `""` when absent.
    pub(super) fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// The first child of this name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of this name; `""` when absent.
    pub(super) fn said(&self, name: &str) -> &str {
        self.child(name).map_or("", |child| &child.text)
    }

    /// Every element of this name below, in order.
    pub(super) fn all<'a>(&'a self, name: &str) -> Vec<&'a Self> {
        let mut found = Vec::new();
        for child in &self.children {
            if child.name == name {
                found.push(child);
            }
            found.extend(child.all(name));
        }
        found
    }
}

/// Hands out every element of this name, wherever it stands; elements named in `without` are passed over.
pub(super) fn each(
    input: impl BufRead,
    name: &str,
    without: &[&str],
    mut take: impl FnMut(Element) -> Result<(), String>,
) -> Result<(), String> {
    let mut reader = Reader::from_reader(input);
    let (mut buffer, mut spare) = (Vec::new(), Vec::new());
    // What is open: how many around the wanted element, and the wanted one with those in it.
    let (mut around, mut open) = (0usize, Vec::<Element>::new());
    let (mut bytes, mut seen) = (0usize, false);
    loop {
        buffer.clear();
        let event = reader
            .read_event_into(&mut buffer)
            .map_err(|error| format!("no XML: {error}"))?;
        match event {
            Event::Start(tag) => {
                seen = true;
                let called = local_name(&tag);
                if without.contains(&called.as_str()) {
                    let end = tag.to_end().into_owned();
                    spare.clear();
                    reader
                        .read_to_end_into(end.name(), &mut spare)
                        .map_err(|error| format!("no XML: {error}"))?;
                    continue;
                }
                if open.is_empty() && called != name {
                    around += 1;
                } else {
                    bytes += tag.len();
                    open.push(element(called, &tag)?);
                }
                if around + open.len() > MAX_DEPTH {
                    return Err(format!("nested deeper than {MAX_DEPTH}"));
                }
            }
            Event::Empty(tag) => {
                seen = true;
                let called = local_name(&tag);
                if without.contains(&called.as_str()) {
                    continue;
                }
                bytes += tag.len();
                match open.last_mut() {
                    Some(parent) => parent.children.push(element(called, &tag)?),
                    None if called == name => take(element(called, &tag)?)?,
                    None => {}
                }
            }
            Event::End(_) => match open.pop() {
                None => around = around.saturating_sub(1),
                Some(mut whole) => {
                    whole.text = whole.text.trim().to_owned();
                    match open.last_mut() {
                        Some(parent) => parent.children.push(whole),
                        None => {
                            bytes = 0;
                            take(whole)?;
                        }
                    }
                }
            },
            Event::Text(words) => {
                if let Some(inner) = open.last_mut() {
                    bytes += words.len();
                    inner.text.push_str(&words.decode().unwrap_or_default());
                }
            }
            Event::CData(words) => {
                if let Some(inner) = open.last_mut() {
                    bytes += words.len();
                    inner.text.push_str(&words.decode().unwrap_or_default());
                }
            }
            Event::GeneralRef(entity) => {
                if let Some(inner) = open.last_mut() {
                    inner.text.extend(character(&entity));
                }
            }
            Event::Eof => break,
            _ => {}
        }
        if bytes > MAX_ELEMENT_BYTES {
            return Err(format!("an element larger than {MAX_ELEMENT_BYTES} bytes"));
        }
    }
    if seen && around == 0 && open.is_empty() {
        Ok(())
    } else {
        Err("no XML, or torn off".to_owned())
    }
}

fn local_name(tag: &BytesStart<'_>) -> String {
    String::from_utf8_lossy(tag.local_name().as_ref()).into_owned()
}

fn element(name: String, tag: &BytesStart<'_>) -> Result<Element, String> {
    let mut attributes = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| format!("no XML: {error}"))?;
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| format!("no XML: {error}"))?;
        let key = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
        attributes.push((key, value.into_owned()));
    }
    Ok(Element {
        name,
        attributes,
        ..Element::default()
    })
}

/// `&amp;`, `&#233;`.
fn character(entity: &BytesRef<'_>) -> Option<char> {
    if let Ok(Some(character)) = entity.resolve_char_ref() {
        return Some(character);
    }
    quick_xml::escape::resolve_predefined_entity(&entity.decode().ok()?)?
        .chars()
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], name: &str, without: &[&str]) -> Result<Vec<Element>, String> {
        let mut found = Vec::new();
        each(text, name, without, |element| {
            found.push(element);
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn elements_come_with_attributes_and_text() {
        let text = br#"<?xml version='1.0'?><a><b x="1 &amp; 2"><c>it&apos;s &#233;</c><skip><b/></skip><rpm:d/></b><b/></a>"#;
        let found = read(text, "b", &["skip"]).expect("elements");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].attribute("x"), "1 & 2");
        assert_eq!(found[0].attribute("y"), "");
        assert_eq!(found[0].said("c"), "it's é");
        assert!(found[0].child("d").is_some() && found[0].child("skip").is_none());
        assert_eq!(
            found[1],
            Element {
                name: "b".into(),
                ..Element::default()
            }
        );
    }

    #[test]
    fn hostile_text_is_an_error() {
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        let texts: [&[u8]; 9] = [
            b"",
            b"no xml at all",
            b"<a><b>",
            b"<a></b>",
            b"<a x=1/>",
            b"<a x='&unknown;'/>",
            b"<a x='1' x='2'/>",
            b"\xff\xfe\x00<\x00a",
            deep.as_bytes(),
        ];
        for text in texts {
            let shown = String::from_utf8_lossy(text);
            assert!(read(text, "a", &[]).is_err(), "{shown}");
        }
        let text = b"<a>\xff\xc3\x28</a>";
        assert_eq!(read(text, "a", &[]).expect("read").len(), 1);
    }
}
