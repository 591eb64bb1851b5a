//! The ways in which models write calls of tools, and how chat templates tell which one it is.

pub(super) const TAG: &str = "<tool_call>";
pub(super) const END_TAG: &str = "</tool_call>";
pub(super) const MISTRAL: &str = "[TOOL_CALLS]";
pub(super) const CALL_ID: &str = "[CALL_ID]";
pub(super) const ARGS: &str = "[ARGS]";
pub(super) const PIPED: &str = "<|tool_call|>";
pub(super) const PIPED_END: &str = "<|/tool_call|>";
pub(super) const PYTHON: &str = "<|python_tag|>";
pub(super) const PYTHON_START: &str = "<|python_start|>";
pub(super) const PYTHON_END: &str = "<|python_end|>";
pub(super) const PYTHON_LIST: &str = "<|tool_call_start|>";
pub(super) const PYTHON_LIST_END: &str = "<|tool_call_end|>";
pub(super) const ACTION: &str = "<|START_ACTION|>";
pub(super) const ACTION_END: &str = "<|END_ACTION|>";
pub(super) const THINKING: &str = "<|START_THINKING|>";
pub(super) const THINKING_END: &str = "<|END_THINKING|>";
pub(super) const RESPONSE: &str = "<|START_RESPONSE|>";
pub(super) const RESPONSE_END: &str = "<|END_RESPONSE|>";
pub(super) const START: &str = "<|start|>";
pub(super) const CHANNEL: &str = "<|channel|>";
pub(super) const CONSTRAIN: &str = "<|constrain|>";
pub(super) const MESSAGE: &str = "<|message|>";
pub(super) const END: &str = "<|end|>";
pub(super) const CALL: &str = "<|call|>";
pub(super) const RETURN: &str = "<|return|>";

/// How a model writes calls of tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolFormat {
    /// `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, as Hermes and Qwen do.
    Tagged,
    /// `[{"name": …, "arguments": {…}}, …]` after this mark, as Mistral (Nemo and before), Granite and Command R7B do.
    Listed(&'static str),
    /// `[TOOL_CALLS]name[ARGS]{…}`, as newer models of Mistral do.
    Spelled,
    /// `{"name": …, "parameters": {…}}` as the whole answer, maybe after a mark, as Llama 3 does.
    Bare,
    /// Names and objects between marks, as DeepSeek and Kimi do.
    Sectioned(&'static Section),
    /// A tag for each argument, as GLM, Qwen3-Coder, Seed and MiniMax do.
    Arguments(&'static Tags),
    /// `[name(key=value, …), …]`, as the whole answer or after this mark, as Llama 4 and LFM2 do.
    Python(&'static str),
    /// Messages in channels, as gpt-oss does. All its answers are of this form, with tools or without.
    Channels,
}

/// The marks of calls whose arguments are an object.
#[derive(Debug, PartialEq, Eq)]
pub struct Section {
    /// What may begin a section; all sections should begin with the first.
    pub(super) begins: &'static [&'static str],
    /// In front of each call.
    pub(super) call: &'static str,
    /// Behind the name; or behind the word `function`, where the name and a fence follow.
    pub(super) separator: &'static str,
    /// Behind each call.
    pub(super) end: &'static str,
    /// Behind all calls.
    pub(super) close: &'static str,
    /// How a name is written.
    pub(super) naming: Naming,
}

/// How a name is written in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// As it is.
    Plain,
    /// `function`, and behind the separator the name, with the object in a block of Markdown.
    Fenced,
    /// `functions.name:number`.
    Numbered,
}

impl Section {
    /// The tool's name in what was written for one.
    pub(super) fn name_of<'a>(&self, written: &'a str) -> &'a str {
        match self.naming {
            Naming::Plain | Naming::Fenced => written,
            Naming::Numbered => {
                let name = written.strip_prefix("functions.").unwrap_or(written);
                name.split(':').next().unwrap_or_default()
            }
        }
    }
}

const DEEPSEEK_CALLS: &str = "<｜tool▁calls▁begin｜>";
const DEEPSEEK_CALL: &str = "<｜tool▁call▁begin｜>";

const DEEPSEEK: Section = Section {
    begins: &[DEEPSEEK_CALLS, DEEPSEEK_CALL],
    call: DEEPSEEK_CALL,
    separator: "<｜tool▁sep｜>",
    end: "<｜tool▁call▁end｜>",
    close: "<｜tool▁calls▁end｜>",
    naming: Naming::Plain,
};
static DEEPSEEK_PLAIN: Section = DEEPSEEK;
static DEEPSEEK_FENCED: Section = Section { naming: Naming::Fenced, ..DEEPSEEK };
static KIMI: Section = Section {
    begins: &["<|tool_calls_section_begin|>", "<|tool_call_begin|>"],
    call: "<|tool_call_begin|>",
    separator: "<|tool_call_argument_begin|>",
    end: "<|tool_call_end|>",
    close: "<|tool_calls_section_end|>",
    naming: Naming::Numbered,
};

/// The marks of calls whose arguments are written one by one.
#[derive(Debug, PartialEq, Eq)]
pub struct Tags {
    /// In front of a call or several.
    pub(super) open: &'static str,
    /// In front of a call's name, where `open` is not.
    pub(super) call: &'static str,
    /// Behind the name.
    pub(super) named: &'static str,
    /// In front of an argument's name.
    pub(super) key: &'static str,
    /// Behind an argument's name.
    pub(super) keyed: &'static str,
    /// In front of a value, where `keyed` is not.
    pub(super) value: &'static str,
    /// Behind a value.
    pub(super) valued: &'static str,
    /// Behind a call, where `close` is not.
    pub(super) end: &'static str,
    /// Behind a call or several.
    pub(super) close: &'static str,
    /// Between tags.
    pub(super) gap: &'static str,
    /// Values have lines of their own.
    pub(super) lines: bool,
}

const GLM: Tags = Tags {
    open: TAG,
    call: "",
    named: "",
    key: "<arg_key>",
    keyed: "</arg_key>",
    value: "<arg_value>",
    valued: "</arg_value>",
    end: "",
    close: END_TAG,
    gap: "\n",
    lines: false,
};
static GLM_LINES: Tags = GLM;
static GLM_COMPACT: Tags = Tags { gap: "", ..GLM };
const QWEN_CODER: Tags = Tags {
    open: TAG,
    call: "<function=",
    named: ">",
    key: "<parameter=",
    keyed: ">",
    value: "",
    valued: "</parameter>",
    end: "</function>",
    close: END_TAG,
    gap: "\n",
    lines: true,
};
static QWEN: Tags = QWEN_CODER;
static SEED: Tags = Tags { open: "<seed:tool_call>", close: "</seed:tool_call>", lines: false, ..QWEN_CODER };
static MINIMAX: Tags = Tags {
    open: "<minimax:tool_call>",
    call: "<invoke name=\"",
    named: "\">",
    key: "<parameter name=\"",
    keyed: "\">",
    end: "</invoke>",
    close: "</minimax:tool_call>",
    lines: false,
    ..QWEN_CODER
};

/// What only formats have that are not known here.
const OTHERS: &[&str] = &[
    "<|action_start|>",
    "<|tool_call>call:",
    "<|START_TEXT|>",
    "<|function_call|>",
    "]<]minimax[>[",
    "<TOOLCALL>",
    "<tool_calls>",
    "<atem:",
    "<|open|>",
    "dsml_token",
    ">>>all",
    "functools",
];

impl ToolFormat {
    /// How a model with this chat template writes calls. `None`: the template knows no tools, or it is not known here
    /// how its model calls them.
    pub fn of_template(template: &str) -> Option<Self> {
        let has = |text: &str| template.contains(text);
        if has(CHANNEL) && has(MESSAGE) && has(START) {
            return Some(Self::Channels);
        }
        if !has("tools") || OTHERS.iter().any(|other| has(other)) {
            return None;
        }
        if has(DEEPSEEK_CALLS) {
            return Some(Self::Sectioned(if has("```json") { &DEEPSEEK_FENCED } else { &DEEPSEEK_PLAIN }));
        }
        if KIMI.begins.iter().all(|mark| has(mark)) {
            return Some(Self::Sectioned(&KIMI));
        }
        if let Some(tags) = Tags::of_template(template) {
            return Some(Self::Arguments(tags));
        }
        if has("<function=") || has("<arg_key") {
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
        } else if has(ACTION) {
            Some(Self::Listed(ACTION))
        } else if has(PYTHON_LIST) {
            Some(Self::Python(PYTHON_LIST))
        } else if has("func_name1(") {
            Some(Self::Python(""))
        } else if has(PYTHON) || (keyed("name") && (keyed("parameters") || keyed("arguments"))) {
            Some(Self::Bare)
        } else {
            None
        }
    }

    /// Texts that begin or end calls. They may be control tokens, whose text must then be shown to the parser.
    pub fn marks(self) -> Vec<&'static str> {
        match self {
            Self::Tagged => vec![TAG, END_TAG],
            Self::Listed(PIPED) => vec![PIPED, PIPED_END],
            Self::Listed(ACTION) => {
                vec![ACTION, ACTION_END, THINKING, THINKING_END, RESPONSE, RESPONSE_END]
            }
            Self::Listed(_) => vec![MISTRAL],
            Self::Spelled => vec![MISTRAL, CALL_ID, ARGS],
            Self::Bare => vec![PYTHON],
            Self::Sectioned(Section { begins, call, separator, end, close, .. }) => {
                [&[*call, separator, end, close], *begins].concat()
            }
            Self::Arguments(Tags { open, call, key, keyed, value, valued, end, close, .. }) => {
                let marks = [open, call, key, keyed, value, valued, end, close];
                marks.into_iter().copied().filter(|mark| !mark.is_empty()).collect()
            }
            Self::Python(PYTHON_LIST) => vec![PYTHON_LIST, PYTHON_LIST_END],
            Self::Python(_) => vec![PYTHON, PYTHON_START, PYTHON_END],
            Self::Channels => vec![START, CHANNEL, CONSTRAIN, MESSAGE, END, CALL, RETURN],
        }
    }

    /// All answers of chats are of this form, also those that may call no tools.
    pub fn always(self) -> bool {
        self == Self::Channels
    }
}

impl Tags {
    fn of_template(template: &str) -> Option<&'static Self> {
        let has = |text: &str| template.contains(text);
        if has("<function=") && has("<parameter=") {
            return [&SEED, &QWEN].into_iter().find(|tags| has(tags.open));
        }
        if has(MINIMAX.open) && has(MINIMAX.call) {
            return Some(&MINIMAX);
        }
        if has(GLM.open) && has(GLM.key) {
            let compact = has("</arg_key><arg_value>");
            return Some(if compact { &GLM_COMPACT } else { &GLM_LINES });
        }
        None
    }
}
