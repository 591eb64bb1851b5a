//! The chat that `inferno run` opens on a terminal.

use std::path::Path;

use inferno_inference::{Finish, Generate, Image, Input, Message, Role};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use tokio::runtime::Runtime;

use super::image;
use crate::failure::{Exit, Failure, Outcome};
use crate::printer::Printer;
use crate::session::Session;
use crate::suggest;

const COMMANDS: [(&str, &str); 5] = [
    ("/help", "show this"),
    ("/image", "/image FILE shows an image with the next question"),
    ("/clear", "forget what was said"),
    ("/system", "/system TEXT gives instructions and begins anew; /system alone takes them away"),
    ("/exit", "leave; Ctrl-D does, too"),
];

pub(super) fn chat(
    runtime: &Runtime,
    session: &Session,
    system: Option<&str>,
    images: Vec<Image>,
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
    let mut talk = Talk::new(system.map(str::to_owned), images);
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
        talk.ask(line);
        let asked = Generate { images: talk.images.clone(), ..request(Input::Chat(talk.messages.clone())) };
        let answer = runtime.block_on(session.answer(asked, |text| printer.text(text)));
        match answer {
            Ok(answer) => {
                printer.text("\n")?;
                if answer.finish == Finish::Length {
                    printer
                        .note("(the answer was cut: the token limit or the end of the context was reached)");
                }
                if answer.text.is_empty() && answer.finish == Finish::Cancelled {
                    talk.take_back();
                } else {
                    talk.messages.push(Message::new(Role::Assistant, answer.text));
                }
            }
            Err(failure) if failure.exit == Exit::ReaderGone => return Err(failure),
            Err(failure) => {
                // The question was not answered: it is taken back, so that the talk can go on.
                talk.take_back();
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
    /// Those of the messages.
    images: Vec<Image>,
    /// Those that the next question is about.
    next: Vec<Image>,
}

impl Talk {
    fn new(system: Option<String>, next: Vec<Image>) -> Self {
        let messages = system.map(|content| Message::new(Role::System, content)).into_iter().collect();
        Self { messages, images: Vec::new(), next }
    }

    fn ask(&mut self, question: &str) {
        self.messages.push(image::shown(Message::new(Role::User, question), self.next.len()));
        self.images.append(&mut self.next);
    }

    /// Forgets the question that was asked last.
    fn take_back(&mut self) {
        let shown = self.messages.pop().map_or(0, |message| message.images.len());
        self.next = self.images.split_off(self.images.len().saturating_sub(shown));
    }

    fn command(&mut self, line: &str) -> Reply {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        Reply::Say(match name {
            "/help" => COMMANDS.map(|(name, help)| format!("{name:<8}  {help}")).join("\n"),
            "/image" => match image::read(Path::new(rest.trim())) {
                Ok(image) => {
                    self.next.push(image);
                    "The next question is about it.".to_owned()
                }
                Err(failure) => failure.message,
            },
            "/clear" => {
                self.messages.retain(|message| message.role == Role::System);
                self.images.clear();
                "Forgotten.".to_owned()
            }
            "/system" => {
                let text = rest.trim();
                *self =
                    Self::new((!text.is_empty()).then(|| text.to_owned()), std::mem::take(&mut self.next));
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
        let mut talk = Talk::new(Some("be brief".into()), Vec::new());
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
        let Reply::Say(text) = Talk::new(None, Vec::new()).command("/claer") else { panic!("left the chat") };
        assert!(text.contains("did you mean `/clear`?"), "{text}");
        assert!(matches!(Talk::new(None, Vec::new()).command("/exit"), Reply::Leave));
    }

    #[test]
    fn images_go_with_the_next_question_until_it_is_answered() {
        let image = |byte| Image(vec![byte]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [2]).unwrap();
        let mut talk = Talk::new(None, vec![image(1)]);
        let Reply::Say(text) = talk.command("/image nothing.png") else { panic!("left the chat") };
        assert!(text.contains("cannot read the image nothing.png"), "{text}");
        assert!(matches!(talk.command(&format!("/image {}", file.path().display())), Reply::Say(_)));
        talk.ask("what?");
        assert_eq!((talk.messages[0].images.len(), talk.images.len()), (2, 2));
        talk.take_back();
        assert_eq!((talk.messages.len(), talk.images.len()), (0, 0));
        talk.ask("what, again?");
        talk.ask("and?");
        assert_eq!(talk.images, [image(1), image(2)]);
        assert_eq!(talk.messages[1].images, [0; 0]);
        talk.command("/clear");
        assert_eq!((talk.messages.len(), talk.images.len()), (0, 0));
    }
}
