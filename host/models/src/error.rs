use std::path::PathBuf;

/// Why a model could not be had. Each text says what happened, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelsError {
    /// The name is one that no model can have, such as a path.
    #[error("{name:?} cannot be the name of a model: {why}")]
    InvalidName {
        /// What was asked for.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No model has this name.
    #[error("no model is named {name:?}{}", did_you_mean(.near))]
    NotFound {
        /// What was asked for.
        name: String,
        /// The names that come closest, best first.
        near: Vec<String>,
    },
    /// There is no model at all.
    #[error("there is no model yet: put a .gguf file into {}", .dir.display())]
    NoModel {
        /// Where one could be put.
        dir: PathBuf,
    },
    /// A configured directory cannot be listed.
    #[error("cannot list the models directory {}: {why}", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The file is there, but it is not a model that could be run.
    #[error("{}: {why}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        why: String,
    },
}

impl ModelsError {
    pub(crate) fn unusable(path: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self::Unusable { path: path.into(), why: why.into() }
    }
}

fn did_you_mean(near: &[String]) -> String {
    match near {
        [] => "; `inferno models list` shows those that there are".to_owned(),
        near => {
            let quoted: Vec<String> = near.iter().map(|name| format!("{name:?}")).collect();
            format!("; did you mean {}?", quoted.join(" or "))
        }
    }
}
