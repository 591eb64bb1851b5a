use inferno_backend::{Choice, Event, Finish, ToolCall, Usage};

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// What the model wrote.
    pub text: String,
    /// The tools that it called.
    pub tool_calls: Vec<ToolCall>,
    /// How likely each token was, where that was asked for.
    pub choices: Vec<Choice>,
    /// Why it ended.
    pub finish: Finish,
    /// What it took.
    pub usage: Usage,
}

/// An answer so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// Its text.
    pub text: String,
    tool_calls: Vec<ToolCall>,
    choices: Vec<Choice>,
}

impl Draft {
    /// Puts a piece of the answer to the others. What is none is ignored.
    pub fn add(&mut self, event: Event) {
        match event {
            Event::Text(text) if self.text.is_empty() => self.text = text,
            Event::Text(text) => self.text.push_str(&text),
            Event::Choices(choices) => self.choices.extend(choices),
            Event::ToolCall(delta) => {
                let index = delta.index as usize;
                // Calls come one after the other; a backend that skips one has not said what it was.
                if index == self.tool_calls.len() {
                    let (id, name) = (delta.id.unwrap_or_default(), delta.name.unwrap_or_default());
                    self.tool_calls.push(ToolCall { id, name, arguments: delta.arguments });
                } else if let Some(call) = self.tool_calls.get_mut(index) {
                    call.arguments.push_str(&delta.arguments);
                }
            }
            Event::Started { .. }
            | Event::Embedding(_)
            | Event::Tokens(_)
            | Event::Done { .. }
            | Event::Failed(_) => {}
        }
    }

    /// The whole answer.
    #[must_use]
    pub fn done(self, finish: Finish, usage: Usage) -> Completion {
        let Self { text, tool_calls, choices } = self;
        Completion { text, tool_calls, choices, finish, usage }
    }
}

#[cfg(test)]
mod tests {
    use inferno_backend::ToolCallDelta;

    use super::*;

    #[test]
    fn pieces_become_a_whole() {
        let mut draft = Draft::default();
        let delta = |index, id: Option<&str>, arguments: &str| {
            let (name, id) = (id.map(|_| "look".to_owned()), id.map(str::to_owned));
            Event::ToolCall(ToolCallDelta { index, id, name, arguments: arguments.to_owned() })
        };
        let events = [
            Event::Text("a".into()),
            Event::Text("b".into()),
            delta(0, Some("c1"), "{\"x\""),
            delta(0, None, ":1}"),
            delta(1, Some("c2"), "{}"),
            delta(7, Some("c8"), "lost"),
        ];
        events.into_iter().for_each(|event| draft.add(event));
        let whole = draft.done(Finish::ToolCalls, Usage::new(1, 2));
        let call = |id: &str, arguments: &str| ToolCall {
            id: id.into(),
            name: "look".into(),
            arguments: arguments.into(),
        };
        assert_eq!(whole.text, "ab");
        assert_eq!(whole.tool_calls, [call("c1", "{\"x\":1}"), call("c2", "{}")]);
    }
}
