//! `inferno keys create|list|remove`.

use inferno_store::DEFAULT_TENANT;

use crate::args::{Json, Keys};
use crate::failure::{Failure, Outcome};
use crate::host;
use crate::printer::Printer;
use crate::settings::Settings;

pub(crate) fn keys(settings: &Settings, keys: Keys, printer: Printer) -> Outcome {
    match keys {
        Keys::Create { name, tenant, json } => create(settings, &name, tenant.as_deref(), json, printer),
        Keys::List(json) => list(settings, json, printer),
        Keys::Remove { key } => remove(settings, &key, printer),
    }
}

fn create(settings: &Settings, name: &str, tenant: Option<&str>, json: Json, printer: Printer) -> Outcome {
    let store = host::store(settings)?;
    let first = !store.any_keys().map_err(Failure::new)?;
    let key = store.create_key(name, tenant.unwrap_or(DEFAULT_TENANT)).map_err(Failure::new)?;
    if json.json {
        printer.json(&key)?;
    } else {
        printer.line(&key.secret)?;
    }
    if printer.interactive {
        printer.note(
            "This is the only time that the key is shown; clients send it as `Authorization: Bearer KEY`.",
        );
        if first {
            printer.note("It is the first one: from now on `inferno serve` refuses requests without a key.");
        }
    }
    Ok(0)
}

fn list(settings: &Settings, json: Json, printer: Printer) -> Outcome {
    let keys = host::store(settings)?.keys().map_err(Failure::new)?;
    if json.json {
        printer.json(&keys)?;
    } else if keys.is_empty() {
        printer.note("There are no keys: everyone who reaches the server may use it.");
    } else {
        let rows: Vec<Vec<String>> =
            keys.iter().map(|key| vec![key.id.clone(), key.name.clone(), key.tenant.clone()]).collect();
        printer.table(&["ID", "NAME", "TENANT"], &rows)?;
    }
    Ok(0)
}

fn remove(settings: &Settings, key: &str, printer: Printer) -> Outcome {
    let removed = host::store(settings)?.remove_key(key).map_err(Failure::new)?.ok_or_else(|| {
        Failure::new(format!("no key has the name or id `{key}`"))
            .hint("`inferno keys list` shows those that exist")
    })?;
    printer.note(format_args!("removed the key {} ({})", removed.name, removed.id));
    Ok(0)
}
