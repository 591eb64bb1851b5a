//! A backend without a model: it answers with what it was asked, word by word, at a settable rate.
//!
//! It is there for tests and benchmarks: everything around a model can be tried without one, and all it does can be
//! foretold. A word, with the white space before it, is a token. A chat is answered with the last message of the user,
//! a prompt with itself. Its model files are described at [`Settings`].

mod embedding;
mod generation;
mod model;
mod settings;
mod words;

use inferno_backend::{Backend, Device, Error, Linked, LoadOptions, Model};

pub use settings::Settings;

/// The backend.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

/// The backend, to be linked into a program.
pub fn backend() -> Linked {
    Linked::of::<Echo>()
}

impl Backend for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn formats(&self) -> &'static [&'static str] {
        &["echo"]
    }

    fn devices(&self) -> Vec<Device> {
        vec![Device { name: "CPU".into(), description: "no computing to speak of".into(), memory: 0 }]
    }

    fn load(&self, options: &LoadOptions, progress: &mut dyn FnMut(f32)) -> Result<Box<dyn Model>, Error> {
        if let Some(key) = options.extra.keys().next() {
            return Err(Error::invalid(format!("the echo backend knows no option `{key}`; it has none")));
        }
        if options.sequences == 0 {
            return Err(Error::invalid("a model needs at least 1 sequence, but `sequences` is 0"));
        }
        let settings = Settings::read(&options.path)?;
        progress(1.0);
        Ok(Box::new(model::EchoModel::new(&settings, options)))
    }
}
