//! `inferno pipeline new`: a pipeline to begin with.

use std::path::{Path, PathBuf};

use super::{print, say};
use crate::args::{New, Template};
use crate::error::Error;
use crate::file::check_name;

/// The files of a template, by name; `NAME` in them is the pipeline's.
fn files(template: Template) -> &'static [(&'static str, &'static str)] {
    match template {
        Template::Plugin => &[
            ("NAME.toml", include_str!("../template/plugin.toml")),
            ("NAME.in.jsonl", include_str!("../template/plugin.in.jsonl")),
        ],
    }
}

pub(super) fn new(new: &New) -> Result<(), Error> {
    let (folder, name) = place(&new.name)?;
    let paths: Vec<_> = files(new.template)
        .iter()
        .map(|(file, text)| (folder.join(file.replace("NAME", &name)), text.replace("NAME", &name)))
        .collect();
    if let Some((path, _)) = paths.iter().find(|(path, _)| path.exists()) {
        return Err(Error::new(format!("{} is there already", path.display())).hint("choose another name"));
    }
    for (path, text) in &paths {
        std::fs::write(path, text).map_err(|error| Error::file("write", path, &error))?;
        print(&format!("{}\n", path.display()))?;
    }
    let file = paths.first().map_or_else(PathBuf::new, |(path, _)| path.clone());
    say(&format!("Next: inferno pipeline test {0}, then inferno pipeline run {0}", file.display()));
    Ok(())
}

/// The folder and the pipeline's name; what was typed may end in `.toml`.
fn place(typed: &str) -> Result<(PathBuf, String), Error> {
    let path = Path::new(typed.strip_suffix(".toml").unwrap_or(typed));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    check_name(&name)?;
    Ok((path.parent().map_or_else(PathBuf::new, Path::to_owned), name))
}
