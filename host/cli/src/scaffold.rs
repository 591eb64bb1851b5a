//! The templates of `inferno plugin new`: folders with `{{words}}` in them.

use std::path::Path;

use inferno_sandbox::Manifest;

use crate::failure::Failure;
use crate::sdk::{Language, TEMPLATES};

/// A role, and what a plugin that plays it does.
pub(crate) const ROLES: [(&str, &str); 7] = [
    ("command", "it is a verb of the command line"),
    ("http", "it answers HTTP requests"),
    ("filter", "it sees and changes the requests and answers of http plugins"),
    ("step", "it works on the records of a pipeline"),
    ("judge", "it scores answers of a model"),
    ("converter", "it turns models from one format into another"),
    ("catalog", "it says what can be installed"),
];

/// A plugin that is to be made.
pub(crate) struct Scaffold<'a> {
    pub(crate) name: &'a str,
    pub(crate) role: &'a str,
    pub(crate) language: Language,
    /// Where the SDK is.
    pub(crate) sdk: &'a Path,
}

impl Scaffold<'_> {
    /// The files, with their places in the folder.
    pub(crate) fn files(&self) -> Result<Vec<(String, String)>, Failure> {
        let folder = |part: &str| format!("{}/{part}/", self.language.word());
        let (common, own) = (folder("common"), folder(self.role));
        let dependencies = self.text(&format!("{own}dependencies.toml")).unwrap_or_default();
        let mut files = Vec::new();
        for (name, bytes) in TEMPLATES.files {
            let Some(place) = name.strip_prefix(&own).or_else(|| name.strip_prefix(&common)) else {
                continue;
            };
            if place == "dependencies.toml" {
                continue;
            }
            let text = std::str::from_utf8(bytes)
                .map_err(|error| Failure::new(format!("the template {name} is not text: {error}")))?;
            // Under its own name it would hide files of ours.
            let place = if place == "gitignore" { ".gitignore" } else { place };
            files.push((place.to_owned(), self.filled(text, dependencies)));
        }
        let manifest = files.iter().find(|(place, _)| place == "plugin.toml");
        if let Some((place, text)) = manifest {
            // The name is the user's: better now than at the first build.
            Manifest::parse(place, text)?;
        }
        Ok(files)
    }

    fn text(&self, path: &str) -> Option<&'static str> {
        let (_, bytes) = TEMPLATES.files.iter().find(|(name, _)| *name == path)?;
        std::str::from_utf8(bytes).ok()
    }

    fn filled(&self, text: &str, dependencies: &str) -> String {
        let path = self.sdk.display().to_string();
        let says = ROLES.iter().find(|(role, _)| *role == self.role).map_or("", |(_, says)| says);
        // A command is a program; every other role is a library.
        let target = if self.role == "command" { "" } else { "\n[lib]\ncrate-type = [\"cdylib\"]\n" };
        text.replace("{{target}}\n", &format!("{target}\n"))
            .replace("{{dependencies}}\n", &format!("{dependencies}\n"))
            .replace("{{name}}", self.name)
            .replace("{{role}}", self.role)
            .replace("{{role-says}}", says)
            .replace("{{sdk}}", &toml::Value::String(path.clone()).to_string())
            .replace("{{sdk-file}}", &serde_json::Value::String(format!("file:{path}")).to_string())
            .replace("{{sdk-shown}}", &path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(role: &str, language: Language) -> Result<Vec<(String, String)>, Failure> {
        Scaffold { name: "acme", role, language, sdk: Path::new("/sdk \"x\"") }.files()
    }

    #[test]
    fn every_template_is_filled() {
        for language in [Language::Rust, Language::Js, Language::Python] {
            for (role, _) in ROLES {
                let files = files(role, language).unwrap();
                let cases = if role == "command" { "README.md" } else { "tests/cases.toml" };
                for name in ["plugin.toml", "README.md", ".gitignore", cases] {
                    assert!(
                        files.iter().any(|(place, _)| place == name),
                        "{role} {}: {name}",
                        language.word()
                    );
                }
                for (place, text) in &files {
                    assert!(!text.contains("{{"), "{role} {}: {place}: {text}", language.word());
                }
                let manifest = &files.iter().find(|(place, _)| place == "plugin.toml").unwrap().1;
                let manifest = Manifest::parse("plugin.toml", manifest).unwrap();
                assert_eq!(manifest.roles.names(), [role]);
            }
        }
    }

    #[test]
    fn the_files_are_what_they_should_be_whatever_the_path() {
        let text = |files: Vec<(String, String)>, name: &str| {
            files.into_iter().find(|(place, _)| place == name).unwrap().1
        };
        let cargo: toml::Table = text(files("step", Language::Rust).unwrap(), "Cargo.toml").parse().unwrap();
        assert_eq!(cargo["dependencies"]["inferno-sdk"]["path"].as_str(), Some("/sdk \"x\""));
        assert!(cargo["dependencies"].get("serde_json").is_some() && cargo.contains_key("lib"));
        let cargo: toml::Table =
            text(files("command", Language::Rust).unwrap(), "Cargo.toml").parse().unwrap();
        assert!(!cargo.contains_key("lib"));
        let package = text(files("judge", Language::Js).unwrap(), "package.json");
        serde_json::from_str::<serde_json::Value>(&package).unwrap();
    }
}
