//! The chat that `inferno run` opens on a terminal.

use inferno_inference::{Finish, Generate, Input, Message, Role};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use tokio::runtime::Runtime;

use crate::failure::{Exit, Failure, Outcome};
use crate::printer::Printer;
use crate::session::Session;
use crate::suggest;

const COMMANDS: [(&str, &str); 4] = [
    ("/help", "show this"),
    ("/clear", "forget what was said"),
    ("/system", "/system TEXT gives instructions and begins anew; /system alone takes them away"),
    ("/exit", "leave; Ctrl-D does, too"),
];

pub(super) fn chat(
    runtime: &Runtime,
    session: &Session,
    system: Option<&str>,
    request: &dyn Fn(Input) -> Generate,
    printer: Printer,
) -> Outcome {
    if !session.info.chats {
        return Err(Failure::new(format!("model {} has no chat template", session.model.name))
            .hint("give it a text to continue with --prompt"));
    }
    let mut editor =
        DefaultEditor::new().map_err(|error| Failure::new(format!("cannot read the terminal: {error}")))?;
    printer.note(format_args!("Chat with {}. /help shows the commands, Ctrl-D leaves.", session.model.name));
    let mut talk = Talk::new(system.map(str::to_owned));
    loop {
        let line = match editor.readline(">>> ") {
            Ok(line) => line,
            Err(ReadlineError::Eof) => return Ok(0),
            Err(ReadlineError::Interrupted) => {
                printer.note("Ctrl-D or /exit leaves the chat.");
                continue;
            }
            Err(error) => return Err(Failure::new(format!("cannot read the terminal: {error}"))),
        };
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        // A history that cannot take a line is no reason to stop talking.
        let _ = editor.add_history_entry(line);
        if line.starts_with('/') {
            match talk.command(line) {
                Reply::Say(text) => printer.note(text),
                Reply::Leave => return Ok(0),
            }
            continue;
        }
        let before = talk.messages.len();
        talk.messages.push(Message::new(Role::User, line));
        let answer = runtime
            .block_on(session.answer(request(Input::Chat(talk.messages.clone())), |text| printer.text(text)));
        match answer {
            Ok(answer) => {
                printer.text("\n")?;
                if answer.finish == Finish::Length {
                    printer
                        .note("(the answer was cut: the token limit or the end of the context was reached)");
                }
                if answer.text.is_empty() && answer.finish == Finish::Cancelled {
                    talk.messages.truncate(before);
                } else {
                    talk.messages.push(Message::new(Role::Assistant, answer.text));
                }
            }
            Err(failure) if failure.exit == Exit::ReaderGone => return Err(failure),
            Err(failure) => {
                // The question was not answered: it is taken back, so that the talk can go on.
                talk.messages.truncate(before);
                printer.failure(&failure);
            }
        }
    }
}

enum Reply {
    Say(String),
    Leave,
}

/// What was said so far.
struct Talk {
    messages: Vec<Message>,
}

impl Talk {
    fn new(system: Option<String>) -> Self {
        let messages = system.map(|content| Message::new(Role::System, content)).into_iter().collect();
        Self { messages }
    }

    fn command(&mut self, line: &str) -> Reply {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        Reply::Say(match name {
            "/help" => COMMANDS.map(|(name, help)| format!("{name:<8}  {help}")).join("\n"),
            "/clear" => {
                self.messages.retain(|message| message.role == Role::System);
                "Forgotten.".to_owned()
            }
            "/system" => {
                let text = rest.trim();
                *self = Self::new((!text.is_empty()).then(|| text.to_owned()));
                "A new talk begins.".to_owned()
            }
            "/exit" | "/quit" | "/bye" => return Reply::Leave,
            unknown => {
                let near = suggest::near(unknown, COMMANDS.map(|(name, _)| name));
                let hint =
                    suggest::did_you_mean(&near).unwrap_or_else(|| "/help shows what there is".to_owned());
                format!("There is no command {unknown}; {hint}")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(talk: &Talk) -> Vec<&str> {
        talk.messages.iter().map(|message| message.content.as_str()).collect()
    }

    #[test]
    fn clearing_keeps_the_instructions_and_system_replaces_them() {
        let mut talk = Talk::new(Some("be brief".into()));
        talk.messages.push(Message::new(Role::User, "hello"));
        assert!(matches!(talk.command("/clear"), Reply::Say(_)));
        assert_eq!(said(&talk), ["be brief"]);
        assert!(matches!(talk.command("/system be long"), Reply::Say(_)));
        assert_eq!(said(&talk), ["be long"]);
        assert!(matches!(talk.command("/system"), Reply::Say(_)));
        assert!(said(&talk).is_empty());
    }

    #[test]
    fn an_unknown_command_names_the_near_one() {
        let Reply::Say(text) = Talk::new(None).command("/claer") else { panic!("left the chat") };
        assert!(text.contains("did you mean `/clear`?"), "{text}");
        assert!(matches!(Talk::new(None).command("/exit"), Reply::Leave));
    }
}
