//! Calls of tools in what a model writes.
//!
//! Models were trained to write calls in different ways, and which one it is shows in the chat template. What a
//! template does not show is refused rather than guessed.

mod json;
mod parser;
#[cfg(test)]
mod tests;

pub use parser::ToolParser;

/// How a model writes calls of tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolFormat {
    /// `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, as Hermes and Qwen do.
    Tagged,
    /// `[{"name": …, "arguments": {…}}, …]` after this mark, as Mistral and Granite do.
    Listed(&'static str),
    /// `[TOOL_CALLS]name[ARGS]{…}`, as newer models of Mistral do.
    Spelled,
    /// `{"name": …, "parameters": {…}}` as the whole answer, maybe after a mark, as Llama 3 does.
    Bare,
}

/// The fixed text of an answer that is nothing but calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallText {
    /// In front of all calls.
    pub open: String,
    /// In front of the arguments of a call of the tool.
    pub before: String,
    /// Behind the arguments of a call.
    pub after: String,
    /// Between two calls; absent where the model makes one at most.
    pub between: Option<String>,
    /// Behind all calls.
    pub close: String,
}

const TAG: &str = "<tool_call>";
const END_TAG: &str = "</tool_call>";
const MISTRAL: &str = "[TOOL_CALLS]";
const ARGS: &str = "[ARGS]";
const PIPED: &str = "<|tool_call|>";
const PIPED_END: &str = "<|/tool_call|>";
const PYTHON: &str = "<|python_tag|>";

/// What only formats have that are not known here.
const OTHERS: &[&str] = &[
    "<function=",
    "<arg_key>",
    "<|channel|>",
    "<|tool_calls_section_begin|>",
    "<|action_start|>",
    "<|START_ACTION|>",
    "<\u{ff5c}tool\u{2581}",
    "<minimax:tool_call>",
    "functools",
];

impl ToolFormat {
    /// How a model with this chat template writes calls. `None`: the template knows no tools, or it is not known here
    /// how its model calls them.
    pub fn of_template(template: &str) -> Option<Self> {
        let has = |text: &str| template.contains(text);
        if !has("tools") || OTHERS.iter().any(|other| has(other)) {
            return None;
        }
        // In templates, quotes inside of texts may be escaped.
        let keyed = |key: &str| {
            [format!("\"{key}\""), format!("\\\"{key}\\\""), format!("'{key}'")].iter().any(|text| has(text))
        };
        if has(TAG) {
            Some(Self::Tagged)
        } else if has(MISTRAL) {
            Some(if has(ARGS) { Self::Spelled } else { Self::Listed(MISTRAL) })
        } else if has(PIPED) {
            Some(Self::Listed(PIPED))
        } else if has(PYTHON) || (keyed("name") && (keyed("parameters") || keyed("arguments"))) {
            Some(Self::Bare)
        } else {
            None
        }
    }

    /// Texts that begin or end calls. They may be control tokens, whose text must then be shown to the parser.
    pub fn marks(self) -> &'static [&'static str] {
        match self {
            Self::Tagged => &[TAG, END_TAG],
            Self::Listed(PIPED) => &[PIPED, PIPED_END],
            Self::Listed(_) => &[MISTRAL],
            Self::Spelled => &[MISTRAL, ARGS],
            Self::Bare => &[PYTHON],
        }
    }

    /// The text around the arguments of calls of this tool, in the way in which the model was trained to write it.
    pub fn text(self, tool: &str) -> CallText {
        let none = String::new;
        match self {
            Self::Tagged => CallText {
                open: none(),
                before: format!("{TAG}\n{{\"name\": \"{tool}\", \"arguments\": "),
                after: format!("}}\n{END_TAG}"),
                between: Some("\n".into()),
                close: none(),
            },
            Self::Listed(mark) => CallText {
                open: format!("{mark}["),
                before: format!("{{\"name\": \"{tool}\", \"arguments\": "),
                after: "}".into(),
                between: Some(", ".into()),
                close: "]".into(),
            },
            Self::Spelled => CallText {
                open: none(),
                before: format!("{MISTRAL}{tool}{ARGS}"),
                after: none(),
                between: Some(none()),
                close: none(),
            },
            Self::Bare => CallText {
                open: none(),
                before: format!("{{\"name\": \"{tool}\", \"parameters\": "),
                after: "}".into(),
                between: None,
                close: none(),
            },
        }
    }

    /// The text that begins calls, other than an answer that is one.
    fn mark(self) -> &'static str {
        match self {
            Self::Tagged => TAG,
            Self::Listed(mark) => mark,
            Self::Spelled => MISTRAL,
            Self::Bare => PYTHON,
        }
    }
}
