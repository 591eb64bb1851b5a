//! The sections of a Markdown text.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A part of a text.
pub(super) struct Section {
    /// What it is under, from the largest heading to the smallest.
    pub(super) headings: Vec<String>,
    /// Without its heading.
    pub(super) range: Range<usize>,
}

/// The sections of a text, in order; some may be empty.
pub(super) fn sections(text: &str) -> Vec<Section> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut sections = vec![Section { headings: Vec::new(), range: 0..text.len() }];
    let mut path: Vec<(HeadingLevel, String)> = Vec::new();
    let mut heading: Option<String> = None;
    // Inside quotes and lists headings are no structure of the text.
    let mut depth = 0_usize;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::BlockQuote(_) | Tag::List(_)) => depth += 1,
            Event::End(TagEnd::BlockQuote(_) | TagEnd::List(_)) => depth = depth.saturating_sub(1),
            Event::Start(Tag::Heading { level, .. }) if depth == 0 => {
                path.retain(|(above, _)| *above < level);
                end(&mut sections, range.start);
                heading = Some(String::new());
            }
            Event::End(TagEnd::Heading(level)) if depth == 0 => {
                path.push((level, heading.take().unwrap_or_default()));
                let headings = path.iter().map(|(_, text)| text.clone()).collect();
                sections.push(Section { headings, range: range.end..text.len() });
            }
            Event::Text(more) | Event::Code(more) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&more);
                }
            }
            _ => {}
        }
    }
    sections
}

fn end(sections: &mut [Section], at: usize) {
    if let Some(last) = sections.last_mut() {
        last.range.end = at.max(last.range.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_heading_begins_a_section() {
        let text = "# A *b*\ntext\n```\n# no heading\n```\n> # nor this\n\nB\n=\nmore\n### C\n## D\nend";
        let got: Vec<_> = sections(text)
            .into_iter()
            .map(|s| (s.headings.join("/"), text[s.range].trim().to_owned()))
            .collect();
        let expect = [
            ("", ""),
            ("A b", "text\n```\n# no heading\n```\n> # nor this"),
            ("B", "more"),
            ("B/C", ""),
            ("B/D", "end"),
        ];
        assert_eq!(got, expect.map(|(headings, text)| (headings.to_owned(), text.to_owned())));
    }
}
