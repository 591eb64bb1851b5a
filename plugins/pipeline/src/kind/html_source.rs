//! HTML files, as Markdown.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use htmd::options::{LinkStyle, Options};
use htmd::{Element, HtmlToMarkdown, Node, element_handler::Handlers};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use toml::Spanned;

use super::documents_source::{Form, What, largest};
use crate::error::Error;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The files, such as `docs/**/*.html`. With `--watch`, files that come or change later too.
    #[schemars(with = "String")]
    files: Spanned<String>,
    /// The largest file, in bytes.
    #[serde(default = "largest")]
    max_size: u64,
    /// Elements that are left out with all that is in them.
    #[serde(default = "noise")]
    skip: Vec<String>,
    /// Whether, of pages with the element `main`, only what is in it is taken.
    #[serde(default = "yes")]
    main: bool,
}

fn yes() -> bool {
    true
}

fn noise() -> Vec<String> {
    ["nav", "footer", "aside", "form", "img"].map(str::to_owned).to_vec()
}

/// What nobody reads.
const NEVER: [&str; 8] = ["script", "style", "noscript", "template", "svg", "iframe", "link", "meta"];

/// Elements that have no end, or whose end need not be written.
const UNCLOSED: [&str; 36] = [
    "area", "base", "body", "br", "col", "colgroup", "dd", "dt", "embed", "head", "hr", "html", "img",
    "input", "li", "link", "meta", "optgroup", "option", "p", "param", "path", "rp", "rt", "source", "tbody",
    "td", "tfoot", "th", "thead", "tr", "track", "use", "wbr", "circle", "rect",
];

/// How many elements may be left open.
const MOST_OPEN: usize = 5_000;

/// How deeply elements may be nested.
const DEEPEST: usize = 300;

/// The text as Markdown, so that headings, lists and code are still to be seen.
pub(crate) struct Html {
    converter: HtmlToMarkdown,
    title: Found,
    main: Found,
    only_main: bool,
}

/// What was in an element.
#[derive(Clone, Default)]
struct Found(Arc<Mutex<Option<String>>>);

impl Found {
    fn note(&self, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text.trim().to_owned());
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Form for Html {
    const NAME: &'static str = "html";
    const ABOUT: &'static str = "HTML files, one record each: `path`, `title` and `text`, which is Markdown";
    type Config = Config;

    fn open(Config { files, max_size, skip, main: only_main }: Config) -> Result<(What, Self), Error> {
        let (title, main) = (Found::default(), Found::default());
        let (found_title, found_main) = (title.clone(), main.clone());
        let note_title = move |handlers: &dyn Handlers, element: Element<'_>| {
            found_title.note(&handlers.walk_children(element.node).content);
            None
        };
        let note_main = move |handlers: &dyn Handlers, element: Element<'_>| {
            let result = handlers.walk_children(element.node);
            found_main.note(&result.content);
            Some(result)
        };
        let left_out = skip.iter().map(String::as_str).chain(NEVER).collect();
        let converter = HtmlToMarkdown::builder()
            .options(Options { link_style: LinkStyle::Inlined, ..Options::default() })
            .skip_tags(left_out)
            .add_handler(vec!["title"], note_title)
            .add_handler(vec!["main"], note_main)
            .build();
        Ok((What { files, max_size }, Self { converter, title, main, only_main }))
    }

    fn read(&self, name: &str, text: String) -> Result<Value, String> {
        if is_tangled(&text) {
            return Err(format!("more than {MOST_OPEN} of its elements are never closed"));
        }
        let tree = self.converter.html_to_tree(&text).map_err(|error| format!("it is no HTML: {error}"))?;
        if is_deep(&tree) {
            return Err(format!("its elements are in more than {DEEPEST} others"));
        }
        let markdown = self.converter.tree_to_markdown(&tree);
        let (title, main) = (self.title.take(), self.main.take());
        let markdown = main.filter(|main| self.only_main && !main.is_empty()).unwrap_or(markdown);
        Ok(json!({ "path": name, "title": title, "text": markdown }))
    }
}

/// Whether so many elements are left open that to parse them takes forever: the time grows with the square of their number.
fn is_tangled(text: &str) -> bool {
    let mut open: usize = 0;
    for tag in text.split('<').skip(1) {
        let (closes, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
        let name = tag.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        if name.is_empty() || UNCLOSED.iter().any(|unclosed| name.eq_ignore_ascii_case(unclosed)) {
            continue;
        }
        open = if closes { open.saturating_sub(1) } else { open + 1 };
        if open > MOST_OPEN {
            return true;
        }
    }
    false
}

/// Whether elements are nested so deeply that walking through them takes more stack than there is.
fn is_deep(tree: &Rc<Node>) -> bool {
    let mut left = vec![(tree.clone(), 0)];
    while let Some((node, depth)) = left.pop() {
        if depth > DEEPEST {
            return true;
        }
        left.extend(node.children.borrow().iter().map(|child| (child.clone(), depth + 1)));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_by_people_stays() {
        let config =
            Config { files: Spanned::new(0..0, String::new()), max_size: 0, skip: noise(), main: true };
        let (_, html) = Html::open(config).unwrap();
        let page = "<!doctype html><html><head><title> A &amp; B </title><style>p{}</style></head><body>\
            <nav><a href=x>menu</a></nav><h1>Head</h1><p>One <b>two</b>.<script>no()</script>\
            <ul><li>item</ul><pre><code>fn x() {}</code></pre><p>unclosed";
        let record = html.read("a.html", page.to_owned()).unwrap();
        assert_eq!(record["title"], "A & B");
        let text = record["text"].as_str().unwrap();
        assert!(text.starts_with("# Head\n\nOne **two**."), "{text}");
        assert!(text.contains("item") && text.contains("fn x() {}") && text.ends_with("unclosed"), "{text}");
        assert!(!text.contains("menu") && !text.contains("no()") && !text.contains("A & B"), "{text}");
        let framed = "<h1>Site</h1><main><h1>Head</h1><p>One</main><p>Imprint";
        assert_eq!(html.read("b.html", framed.to_owned()).unwrap()["text"], "# Head\n\nOne");
        let deep = "<div>".repeat(1000);
        assert_eq!(html.read("b.html", deep), Err("its elements are in more than 300 others".to_owned()));
        let tangled = "<b>".repeat(100_000);
        let why = Err("more than 5000 of its elements are never closed".to_owned());
        assert_eq!(html.read("b.html", tangled), why);
        let ordinary = "<p>a<br><li>b<b>c</b>".repeat(10_000);
        assert!(html.read("b.html", ordinary).is_ok());
        assert_eq!(html.read("b.html", "plain".to_owned()).unwrap()["title"], Value::Null);
    }
}
