//! `inferno:host/models`: a look at the installed models. Needs the `models` grant, and shows only those models that
//! the plugin may use.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use inferno_inference::Loaded;
use inferno_models::{Model, ModelsError};
use serde_json::json;
use wasmtime::Result;
use wasmtime::component::Linker;

use super::bindings::inferno::host::models;
use super::bindings::inferno::host::types::{Error, ErrorKind};
use crate::ask::Need;
use crate::state::{Host, Shared, State};
use crate::tape::taped;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    models::add_to_linker::<_, Host>(linker, |state| state)
}

impl models::Host for State {
    async fn all(&mut self) -> Result<Result<Vec<models::Model>, Error>> {
        let call = "inferno:host/models.all";
        let slot = taped!(self.tape, call, json!({}));
        if let Err(error) = self.allow(call, Need::Models) {
            return slot.done(Err(error));
        }
        let list = |shared: &Shared| Ok(visible(shared)?.iter().map(described).collect());
        slot.done(blocking(self.shared.clone(), list).await)
    }

    async fn get(&mut self, name: String) -> Result<Result<models::Model, Error>> {
        let call = "inferno:host/models.get";
        let slot = taped!(self.tape, call, json!({ "name": name }));
        if let Err(error) = self.allow(call, Need::Models) {
            return slot.done(Err(error));
        }
        slot.done(blocking(self.shared.clone(), move |shared| find(shared, &name)).await)
    }

    async fn digest(&mut self, name: String) -> Result<Result<String, Error>> {
        let call = "inferno:host/models.digest";
        let slot = taped!(self.tape, call, json!({ "name": name }));
        if let Err(error) = self.allow(call, Need::Models) {
            return slot.done(Err(error));
        }
        let digest = match known(self.shared.clone(), name.clone()).await {
            Ok(()) => digest(self.shared.clone(), name).await,
            Err(error) => Err(error),
        };
        slot.done(digest)
    }

    async fn loaded(&mut self) -> Result<Result<Vec<models::Residency>, Error>> {
        let call = "inferno:host/models.loaded";
        let slot = taped!(self.tape, call, json!({}));
        if let Err(error) = self.allow(call, Need::Models) {
            return slot.done(Err(error));
        }
        let loaded = self.shared.services.inference.loaded().into_iter();
        slot.done(Ok(loaded.filter(|model| self.shared.effect.sees(&model.name)).map(resident).collect()))
    }
}

/// Looking at files blocks, so it happens elsewhere.
async fn blocking<R: Send + 'static>(
    shared: Arc<Shared>,
    work: impl FnOnce(&Shared) -> Result<R, Error> + Send + 'static,
) -> Result<R, Error> {
    match tokio::task::spawn_blocking(move || work(&shared)).await {
        Ok(result) => result,
        Err(error) => Err(super::internal(format!("looking for models failed: {error}"))),
    }
}

fn visible(shared: &Shared) -> Result<Vec<Model>, Error> {
    let listing = shared.services.inference.models().list().map_err(worded)?;
    Ok(listing.models.into_iter().filter(|model| shared.effect.sees(&model.name)).collect())
}

fn find(shared: &Shared, name: &str) -> Result<models::Model, Error> {
    let unknown = || Error {
        kind: ErrorKind::NotFound,
        message: format!("no model is named {name:?}"),
        hint: Some(did_you_mean(&near_names(shared, name))),
        retry_after_ms: None,
    };
    // A name outside the grant is as good as none.
    if !shared.effect.sees(name) {
        return Err(unknown());
    }
    match shared.services.inference.models().find(name) {
        Ok(model) => Ok(described(&model)),
        Err(ModelsError::NotFound { .. }) => Err(unknown()),
        Err(error) => Err(worded(error)),
    }
}

/// The digest of a model's file.
pub(super) async fn digest(shared: Arc<Shared>, name: String) -> Result<String, Error> {
    let digest = move |shared: &Shared| {
        let model = shared.services.inference.models().find(&name).map_err(worded)?;
        model.digest().map_err(worded)
    };
    blocking(shared, digest).await
}

/// Whether there is such a model, as far as the plugin may see.
pub(super) async fn known(shared: Arc<Shared>, name: String) -> Result<(), Error> {
    blocking(shared, move |shared| find(shared, &name)).await.map(drop)
}

/// A hint with near names that the plugin may see.
pub(super) async fn near(shared: Arc<Shared>, name: String) -> Option<String> {
    let hint = blocking(shared, move |shared| Ok(did_you_mean(&near_names(shared, &name)))).await;
    hint.ok()
}

fn near_names(shared: &Shared, name: &str) -> Vec<String> {
    let mut rated: Vec<(f64, String)> = visible(shared)
        .unwrap_or_default()
        .into_iter()
        .map(|model| (strsim::jaro_winkler(name, &model.name), model.name))
        .filter(|(likeness, _)| *likeness > 0.7)
        .collect();
    rated.sort_by(|a, b| b.0.total_cmp(&a.0));
    rated.into_iter().take(3).map(|(_, name)| name).collect()
}

fn did_you_mean(near: &[String]) -> String {
    match near {
        [] => "`inferno models list` shows those that there are".to_owned(),
        near => format!("did you mean {}?", near.join(" or ")),
    }
}

fn worded(error: ModelsError) -> Error {
    let kind = match &error {
        ModelsError::NotFound { .. } | ModelsError::NoModel { .. } => ErrorKind::NotFound,
        ModelsError::InvalidName { .. } | ModelsError::Unusable { .. } => ErrorKind::Invalid,
        ModelsError::Directory { .. } => ErrorKind::Internal,
    };
    Error { kind, message: error.to_string(), hint: None, retry_after_ms: None }
}

fn resident(loaded: Loaded) -> models::Residency {
    models::Residency {
        since: seconds(loaded.since),
        expires: loaded.expires.map(seconds),
        memory_bytes: loaded.memory,
        context_length: loaded.info.context,
        name: loaded.name,
    }
}

/// Since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn described(model: &Model) -> models::Model {
    let header = &model.header;
    // Templates that show tools go over a list of this name.
    let shows_tools = header.chat_template.as_ref().is_some_and(|template| template.contains("tools"));
    let texts = [
        ("architecture", Some(header.architecture.clone())),
        ("quantization", Some(header.quantization.clone())),
        ("license", header.license.clone()),
        ("parameters", Some(header.parameters.to_string())),
        ("tools", shows_tools.then(|| "yes".to_owned())),
        ("vision", model.projector.is_some().then(|| "yes".to_owned())),
        ("embedding-length", header.embedding_length.map(|length| length.to_string())),
        // Never computed for this: it would take as long as to read the file.
        ("digest", model.known_digest()),
    ];
    let told = |value: &String| !matches!(value.as_str(), "" | "0");
    models::Model {
        name: model.name.clone(),
        format: model.format.to_string(),
        size_bytes: model.size,
        modified: seconds(model.modified),
        context_length: header.context_length,
        chats: header.chat_template.is_some(),
        details: texts
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.filter(told)?)))
            .collect(),
    }
}
