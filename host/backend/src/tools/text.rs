//! The text of calls, as models were trained to write it: for answers that must be calls.

use super::format::{ACTION, ACTION_END, ARGS, CHANNEL, CONSTRAIN, END_TAG, MESSAGE, MISTRAL, PYTHON_LIST};
use super::format::{Naming, PYTHON_LIST_END, Section, TAG, Tags, ToolFormat};
use super::values::Kinds;
use crate::Tool;

/// The fixed text of an answer that is nothing but calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallText {
    /// In front of all calls.
    pub open: String,
    /// In front of the arguments of a call of the tool.
    pub before: String,
    /// What the arguments look like.
    pub arguments: ArgumentText,
    /// Behind the arguments of a call.
    pub after: String,
    /// Between two calls; absent where the model makes one at most.
    pub between: Option<String>,
    /// Behind all calls.
    pub close: String,
}

/// How arguments are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentText {
    /// As a JSON object.
    Object,
    /// One by one.
    Each {
        /// In front of an argument's name.
        key: String,
        /// Between its name and its value.
        value: String,
        /// Behind its value.
        after: String,
        /// Between two arguments.
        between: String,
        /// Texts are written as they are, up to this; absent: as JSON.
        ends: Option<String>,
    },
}

impl ArgumentText {
    /// Whether an argument of the tool is a text that is written as it is.
    pub fn is_plain(&self, tool: &Tool, argument: &str) -> bool {
        match self {
            Self::Object | Self::Each { ends: None, .. } => false,
            Self::Each { ends: Some(_), .. } => Kinds::of_argument(Some(tool), argument).has_text(),
        }
    }
}

impl ToolFormat {
    /// The text around the arguments of calls of this tool, in the way in which the model was trained to write it.
    pub fn text(self, tool: &str) -> CallText {
        let none = String::new;
        let object = |before: String, after: &str| CallText {
            open: none(),
            before,
            arguments: ArgumentText::Object,
            after: after.into(),
            between: None,
            close: none(),
        };
        match self {
            Self::Tagged => CallText {
                between: Some("\n".into()),
                ..object(format!("{TAG}\n{{\"name\": \"{tool}\", \"arguments\": "), &format!("}}\n{END_TAG}"))
            },
            Self::Listed(ACTION) => CallText {
                open: format!("{ACTION}["),
                between: Some(", ".into()),
                close: format!("]{ACTION_END}"),
                ..object(
                    format!("{{\"tool_call_id\": \"0\", \"tool_name\": \"{tool}\", \"parameters\": "),
                    "}",
                )
            },
            Self::Listed(mark) => CallText {
                open: format!("{mark}["),
                between: Some(", ".into()),
                close: "]".into(),
                ..object(format!("{{\"name\": \"{tool}\", \"arguments\": "), "}")
            },
            Self::Spelled => {
                CallText { between: Some(none()), ..object(format!("{MISTRAL}{tool}{ARGS}"), "") }
            }
            Self::Bare => object(format!("{{\"name\": \"{tool}\", \"parameters\": "), "}"),
            Self::Channels => {
                object(format!("{CHANNEL}commentary to=functions.{tool} {CONSTRAIN}json{MESSAGE}"), "")
            }
            Self::Sectioned(section) => in_section(section, tool),
            Self::Arguments(tags) => in_tags(tags, tool),
            Self::Python(mark) => CallText {
                open: format!("{mark}["),
                before: format!("{tool}("),
                arguments: ArgumentText::Each {
                    key: none(),
                    value: "=".into(),
                    after: none(),
                    between: ", ".into(),
                    ends: None,
                },
                after: ")".into(),
                between: Some(", ".into()),
                close: if mark == PYTHON_LIST { format!("]{PYTHON_LIST_END}") } else { "]".into() },
            },
        }
    }
}

fn in_section(section: &Section, tool: &str) -> CallText {
    let Section { begins, call, separator, end, close, naming } = section;
    let (before, after, between) = match naming {
        Naming::Plain => (format!("{call}{tool}{separator}"), (*end).to_owned(), ""),
        Naming::Fenced => {
            (format!("{call}function{separator}{tool}\n```json\n"), format!("\n```{end}"), "\n")
        }
        Naming::Numbered => (format!("{call}functions.{tool}:0{separator}"), (*end).to_owned(), ""),
    };
    CallText {
        open: begins.first().copied().unwrap_or_default().to_owned(),
        before,
        arguments: ArgumentText::Object,
        after,
        between: Some(between.into()),
        close: (*close).to_owned(),
    }
}

fn in_tags(tags: &Tags, tool: &str) -> CallText {
    let &Tags { open, call, named, key, keyed, value, valued, end, close, gap, lines } = tags;
    // Where a format leaves a tag out, it also has no gap there.
    let apart = |tag: &str| if tag.is_empty() { "" } else { gap };
    let line = if lines { "\n" } else { "" };
    CallText {
        open: String::new(),
        before: format!("{open}{}{call}{tool}{named}{gap}", apart(call)),
        arguments: ArgumentText::Each {
            key: key.into(),
            value: format!("{keyed}{}{value}{line}", apart(value)),
            after: format!("{line}{valued}{gap}"),
            between: String::new(),
            ends: Some(valued.into()),
        },
        after: format!("{end}{}{close}", apart(end)),
        between: Some(gap.into()),
        close: String::new(),
    }
}
