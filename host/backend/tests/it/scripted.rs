//! A backend that does what its model file and its prompts say, misdeeds included.

use std::fs;
use std::path::{Path, PathBuf};

use inferno_backend::{
    Backend, Device, Emit, Error, ErrorKind, Event, Finish, Input, LoadOptions, Model, ModelInfo, Usage, Work,
};

/// The model file's text decides how the load goes; see [`Scripted::load`].
#[derive(Default)]
pub(crate) struct Scripted;

/// Each request's prompt decides how it goes; see [`ScriptedModel::advance`].
struct ScriptedModel {
    requests: Vec<Request>,
    /// Where it notes that it was quiet; once.
    state: Option<PathBuf>,
}

struct Request {
    id: u64,
    script: String,
    steps: u32,
    cancelled: bool,
}

impl Backend for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn version(&self) -> String {
        "7".into()
    }

    fn formats(&self) -> &'static [&'static str] {
        &["script", "play"]
    }

    fn devices(&self) -> Vec<Device> {
        vec![Device { name: "STAGE".into(), description: "made of planks".into(), memory: 12 }]
    }

    fn load(&self, options: &LoadOptions, progress: &mut dyn FnMut(f32)) -> Result<Box<dyn Model>, Error> {
        let script = fs::read_to_string(&options.path).map_err(|error| Error::invalid(error.to_string()))?;
        match script.as_str() {
            "refuse" => return Err(Error::invalid("the file says so").hint("say otherwise")),
            "panic" => panic!("the file says {script:?}"),
            "hang" => loop {
                progress(0.5);
                std::thread::park();
            },
            _ => {}
        }
        for share in [0.25, 0.251, 0.5, 1.0] {
            progress(share);
        }
        Ok(Box::new(ScriptedModel { requests: Vec::new(), state: options.state_dir.clone() }))
    }
}

impl Model for ScriptedModel {
    fn info(&self) -> ModelInfo {
        ModelInfo { embeds: true, generates: true, ..ModelInfo::new(100, 2, "STAGE") }
    }

    fn submit(&mut self, id: u64, work: Work) -> Result<(), Error> {
        let script = match work {
            Work::Generate(work) => match work.input {
                Input::Prompt(prompt) => prompt,
                Input::Chat(_) if work.images.is_empty() => {
                    return Err(Error::invalid("there is no dialogue here"));
                }
                Input::Chat(_) => {
                    return Err(Error::invalid(format!("{:?} are not in the script", work.images)));
                }
            },
            Work::Embed(work) => format!("embed {}", work.inputs.len()),
            other => return Err(Error::invalid(format!("{other:?} is not in the script"))),
        };
        assert_ne!(script, "panic in submit");
        self.requests.push(Request { id, script, steps: 0, cancelled: false });
        Ok(())
    }

    fn cancel(&mut self, id: u64) {
        for request in &mut self.requests {
            request.cancelled |= request.id == id;
        }
    }

    fn step(&mut self, emit: Emit<'_>) -> Result<bool, Error> {
        if self.requests.is_empty()
            && let Some(state) = self.state.take()
        {
            return Ok(fs::write(state.join("quiet"), "").is_ok());
        }
        let mut left = Vec::new();
        for mut request in std::mem::take(&mut self.requests) {
            if Self::advance(&mut request, emit)? {
                left.push(request);
            }
        }
        self.requests = left;
        Ok(!self.requests.is_empty())
    }
}

impl ScriptedModel {
    fn advance(request: &mut Request, emit: Emit<'_>) -> Result<bool, Error> {
        let id = request.id;
        if request.steps == 0 {
            emit(id, Event::Started { prompt_tokens: 3 });
        }
        request.steps += 1;
        let usage = Usage::new(3, request.steps - 1);
        if request.cancelled {
            emit(id, Event::Done { finish: Finish::Cancelled, usage });
            return Ok(false);
        }
        match request.script.as_str() {
            "endless" => {
                emit(id, Event::Text("on ".into()));
                return Ok(true);
            }
            "embed 2" => {
                emit(id, Event::Embedding(vec![1.0, -0.0]));
                emit(id, Event::Embedding(vec![0.6, 0.8]));
            }
            "fail this request" => {
                let error = Error::new(ErrorKind::ContextLength, "3 words, room for 2").hint("less");
                emit(id, Event::Failed(error));
                return Ok(false);
            }
            "fail in step" => return Err(Error::internal("the stage broke").hint("mend it")),
            "panic in step" => panic!("the stage broke"),
            "forget" => return Ok(false),
            "babble" => {
                emit(id + 1000, Event::Text("for a stranger".into()));
                emit(id, Event::Text("in time".into()));
                emit(id, Event::Done { finish: Finish::Stop, usage });
                emit(id, Event::Text("too late".into()));
            }
            write if write.starts_with("write ") => {
                let path = Path::new(write.trim_start_matches("write "));
                let other = path.with_extension("other");
                let done = fs::write(path, "1").and_then(|()| fs::rename(path, &other));
                let answer = match done.and_then(|()| fs::remove_file(other)) {
                    Ok(()) => "written".to_owned(),
                    Err(error) => format!("{:?}", error.kind()),
                };
                emit(id, Event::Text(answer));
            }
            path if path.starts_with('/') => {
                let answer = match fs::File::open(path) {
                    Ok(_) => "open".to_owned(),
                    Err(error) => format!("{:?}", error.kind()),
                };
                emit(id, Event::Text(answer));
            }
            text => emit(id, Event::Text(text.to_owned())),
        }
        emit(id, Event::Done { finish: Finish::Stop, usage });
        Ok(false)
    }
}
