//! `inferno cache stats|clear|warm|persist`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use inferno_inference::models::Models;
use inferno_inference::{Generate, Input, Kept, Message, Role};
use serde::Serialize;

use crate::args::{Cache, Json, Warm};
use crate::failure::{Failure, Outcome};
use crate::host;
use crate::printer::{Printer, bytes, visible};
use crate::progress;
use crate::report::seconds;
use crate::settings::{Environment, Packing, Settings};

/// The largest beginning of a prompt that is read from a file.
const LARGEST: u64 = 16 << 20;
/// How long the one token may take that is asked for after the prompt was read.
const DRAIN: Duration = Duration::from_secs(60);

pub(crate) fn cache(settings: &Settings, cache: Cache, printer: Printer) -> Outcome {
    match cache {
        Cache::Stats(json) => stats(settings, json, printer),
        Cache::Clear { model } => clear(settings, model.as_deref(), printer),
        Cache::Warm(warm) => self::warm(settings, &warm, printer),
        Cache::Persist { compress } => persist(compress, printer),
    }
}

/// What is kept of one model, for programs.
#[derive(Serialize)]
struct Shown<'a> {
    /// None: no model that is here now.
    model: Option<&'a str>,
    digest: &'a str,
    files: usize,
    bytes: u64,
    /// Seconds since 1970.
    last_used: u64,
}

fn stats(settings: &Settings, json: Json, printer: Printer) -> Outcome {
    let kept = host::prompt_cache(settings).list().map_err(|error| unreadable(settings, &error))?;
    let names = names(&host::models(settings)?)?;
    let name = |kept: &Kept| names.get(&kept.digest).map(String::as_str);
    if json.json {
        let shown = kept.iter().map(|kept| Shown {
            model: name(kept),
            digest: &kept.digest,
            files: kept.files,
            bytes: kept.bytes,
            last_used: seconds(kept.used),
        });
        printer.json(&shown.collect::<Vec<_>>())?;
        return Ok(0);
    }
    let row = |kept: &Kept| {
        let digest = kept.digest.chars().take(12).collect();
        vec![visible(name(kept).unwrap_or("(not here)")), digest, kept.files.to_string(), bytes(kept.bytes)]
    };
    printer.table(&["MODEL", "DIGEST", "FILES", "SIZE"], &kept.iter().map(row).collect::<Vec<_>>())?;
    if printer.interactive {
        let all = kept.iter().map(|kept| kept.bytes).sum();
        let (most, dir) = (settings.inference_prompt_cache_bytes, settings.cache_dir.join("prompts"));
        printer.note(format_args!("{} of {most} in {}", bytes(all), dir.display()));
    }
    Ok(0)
}

/// Names by digest. What is kept belongs to models that were loaded, whose digests are known, so this reads no model.
fn names(models: &Models) -> Result<BTreeMap<String, String>, Failure> {
    let listing = models.list().map_err(Failure::new)?;
    let known = listing.models.iter().filter_map(|model| {
        let digest = model.known_digest()?;
        Some((digest.strip_prefix("sha256:").unwrap_or(&digest).to_owned(), model.name.clone()))
    });
    Ok(known.collect())
}

fn clear(settings: &Settings, model: Option<&str>, printer: Printer) -> Outcome {
    let digest = match model {
        Some(name) => {
            let model = host::find_model(&host::models(settings)?, settings, Some(name))?;
            Some(model.digest().map_err(Failure::new)?)
        }
        None => None,
    };
    let cache = host::prompt_cache(settings);
    let freed = cache.clear(digest.as_deref()).map_err(|error| unreadable(settings, &error))?;
    printer.note(format_args!("{} are free", bytes(freed)));
    Ok(0)
}

fn unreadable(settings: &Settings, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot use {}: {error}", settings.cache_dir.join("prompts").display()))
}

fn warm(settings: &Settings, warm: &Warm, printer: Printer) -> Outcome {
    if !settings.inference_prompt_cache {
        return Err(Failure::new("prompts are not kept, since inference.prompt_cache is false")
            .hint("`inferno cache persist` turns it on"));
    }
    let models = host::models(settings)?;
    let model = host::find_model(&models, settings, Some(&warm.model))?;
    let request = Generate { max_tokens: Some(1), ..Generate::new(input(warm)?) };
    let tokens = host::runtime()?.block_on(async {
        // As a server loads it, which is who will use it.
        let inference = host::inference(settings, models, settings.inference_sequences)?;
        let label = format!("loading {}", model.name);
        let loading = progress::during(printer, &label, async |share| {
            inference.load_on(&model, |loaded| share.set(loaded)).await
        });
        loading.await?;
        let answer = inference.generate_on(&model, request).await?.complete().await?;
        // The worker writes what it keeps when it ends.
        inference.shutdown(DRAIN).await;
        Ok::<_, Failure>(answer.usage.prompt_tokens)
    })?;
    printer.note(format_args!("{} has read {tokens} tokens", visible(&model.name)));
    Ok(0)
}

fn input(warm: &Warm) -> Result<Input, Failure> {
    if let Some(system) = &warm.system {
        // Templates want a question; what is shared with other chats ends before it.
        let messages = [(Role::System, system.as_str()), (Role::User, "?")];
        return Ok(Input::Chat(messages.map(|(role, text)| Message::new(role, text)).into()));
    }
    let file = warm.prompt_file.as_deref().unwrap_or(Path::new(""));
    let told = |what: String| Failure::new(format!("{}: {what}", file.display()));
    let length = fs::metadata(file).map_err(|error| told(error.to_string()))?.len();
    if length > LARGEST {
        return Err(told(format!("it has {}, but at most {} are read", bytes(length), bytes(LARGEST))));
    }
    Ok(Input::Prompt(fs::read_to_string(file).map_err(|error| told(error.to_string()))?))
}

fn persist(packing: Packing, printer: Printer) -> Outcome {
    let file = Environment::current()?.user_file();
    let told = |what: String| Failure::new(format!("{}: {what}", file.display()));
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.map_err(|error| told(error.to_string()))?,
    };
    let text = with_packing(&text, packing).map_err(|error| told(format!("this is not TOML: {error}")))?;
    let written = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&file, text));
    written.map_err(|error| told(error.to_string()))?;
    printer.note(format_args!(
        "prompts are kept from now on ({}); written into {}",
        packing.word(),
        file.display()
    ));
    Ok(0)
}

/// The file with these settings, and all else as it was.
fn with_packing(text: &str, packing: Packing) -> Result<String, toml_edit::TomlError> {
    let mut document: toml_edit::DocumentMut = text.parse()?;
    let inference = document["inference"].or_insert(toml_edit::table());
    inference["prompt_cache"] = toml_edit::value(true);
    inference["prompt_cache_compress"] = toml_edit::value(packing.word());
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_what_it_says_otherwise() {
        let written = |text| with_packing(text, Packing::Gzip).unwrap();
        assert_eq!(written(""), "[inference]\nprompt_cache = true\nprompt_cache_compress = \"gzip\"\n");
        let text =
            "# mine\nmodel = \"m\"\n\n[inference]\nqueue = 3 # few\nprompt_cache_compress = \"none\"\n";
        let new = written(text);
        assert!(new.starts_with("# mine\nmodel = \"m\"\n\n[inference]\nqueue = 3 # few\n"), "{new}");
        assert!(new.contains("prompt_cache_compress = \"gzip\"") && !new.contains("none"), "{new}");
        assert!(with_packing("[", Packing::Zstd).is_err());
    }
}
