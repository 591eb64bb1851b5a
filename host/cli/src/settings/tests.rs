use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;

/// A user with a home, a project in it and a shell.
struct World {
    root: tempfile::TempDir,
    environment: Environment,
    overrides: Vec<Override>,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().canonicalize().unwrap().join("home");
        let directory = home.join("project/deep");
        fs::create_dir_all(&directory).unwrap();
        let variables = std::collections::BTreeMap::new();
        Self { root, environment: Environment { variables, directory, home }, overrides: Vec::new() }
    }

    fn home(&self) -> PathBuf {
        self.environment.home.clone()
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.home().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.variables.insert(name.into(), value.into());
        self
    }

    fn option(mut self, key: &str, value: &str) -> Self {
        self.overrides.push(Override { option: "--config", key: key.into(), value: value.into() });
        self
    }

    fn resolve(&self) -> Result<Settings, Failure> {
        assert!(self.root.path().exists());
        Settings::resolve(&self.environment, &self.overrides)
    }

    fn settings(&self) -> Settings {
        self.resolve().unwrap()
    }

    /// The error, with the home directory as `~`.
    fn refusal(&self) -> (String, String) {
        let failure = self.resolve().unwrap_err();
        assert_eq!(failure.exit, crate::failure::Exit::Usage);
        let shorten = |text: String| text.replace(&*self.home().to_string_lossy(), "~");
        (shorten(failure.message), shorten(failure.hint.unwrap_or_default()))
    }
}

fn origin(settings: &Settings, key: &str) -> Origin {
    settings.entries.iter().find(|entry| entry.key == key).unwrap().origin.clone()
}

#[test]
fn each_source_overrules_the_ones_below() {
    let line = |path: PathBuf, line| Origin::File { path, line };
    let world = World::new();
    assert_eq!(
        (world.settings().serve_port, origin(&world.settings(), "serve.port")),
        (14633, Origin::Default)
    );

    let world = world.file(".config/inferno/config.toml", "[serve]\nport = 1");
    let file = world.home().join(".config/inferno/config.toml");
    assert_eq!((world.settings().serve_port, origin(&world.settings(), "serve.port")), (1, line(file, 2)));

    let world = world.file(".inferno.toml", "\n\nserve.port = 2");
    let file = world.home().join(".inferno.toml");
    assert_eq!((world.settings().serve_port, origin(&world.settings(), "serve.port")), (2, line(file, 3)));

    let world = world.file("project/.inferno.toml", "serve = { port = 3 }");
    let file = world.home().join("project/.inferno.toml");
    assert_eq!((world.settings().serve_port, origin(&world.settings(), "serve.port")), (3, line(file, 1)));

    let world = world.file("project/deep/.inferno.toml", "serve.port = 4");
    assert_eq!(world.settings().serve_port, 4);

    let world = world.variable("INFERNO_SERVE_PORT", "5");
    let variable = Origin::Variable { name: "INFERNO_SERVE_PORT".into() };
    assert_eq!((world.settings().serve_port, origin(&world.settings(), "serve.port")), (5, variable));

    let world = world.option("serve.port", "6").option("serve.port", "7");
    let option = Origin::CommandLine { option: "--config" };
    assert_eq!((world.settings().serve_port, origin(&world.settings(), "serve.port")), (7, option));
}

#[test]
fn xdg_says_where_the_users_file_is() {
    let world = World::new().file("elsewhere/inferno/config.toml", "serve.port = 9");
    let elsewhere = world.home().join("elsewhere");
    let world = world.variable("XDG_CONFIG_HOME", elsewhere.to_str().unwrap());
    assert_eq!(world.settings().serve_port, 9);
    // The rules of XDG have relative paths ignored.
    assert_eq!(world.variable("XDG_CONFIG_HOME", "elsewhere").settings().serve_port, 14633);
}

#[test]
fn directories_follow_the_data_directory() {
    let world = World::new();
    assert_eq!(world.settings().models_dir, world.home().join(".local/share/inferno/models"));
    let settings = world.variable("INFERNO_DATA_DIR", "/data").settings();
    assert_eq!(settings.models_dir, Path::new("/data/models"));
    assert_eq!(settings.plugins_dir, Path::new("/data/plugins"));
}

#[test]
fn a_path_in_a_file_is_relative_to_the_file() {
    let world = World::new().file("project/.inferno.toml", "models_dir = 'm'");
    assert_eq!(world.settings().models_dir, world.home().join("project/m"));
    let world = world.variable("INFERNO_MODELS_DIR", "m");
    assert_eq!(world.settings().models_dir, world.home().join("project/deep/m"));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_one() {
    let unknown = |text: &str| World::new().file(".inferno.toml", text).refusal();
    assert_eq!(
        unknown("# mine\n[serve]\nprot = 1"),
        ("~/.inferno.toml:3: unknown key `serve.prot`".into(), "did you mean `serve.port`?".into())
    );
    assert_eq!(unknown("port = 1").1, "did you mean `serve.port`?");
    assert_eq!(unknown("modle = 'x'").1, "did you mean `model`?");
    assert_eq!(unknown("zebra = 1").1, "`inferno config show` lists the keys that exist");
    let (message, hint) = unknown("[plugins.gateway.setings]");
    assert_eq!(message, "~/.inferno.toml:1: unknown key `plugins.gateway.setings`");
    assert!(hint.contains("[plugins.gateway.settings]"), "{hint}");

    assert_eq!(
        World::new().variable("INFERNO_MODEL_DIR", "x").refusal(),
        ("unknown variable INFERNO_MODEL_DIR".into(), "did you mean `INFERNO_MODELS_DIR`?".into())
    );
    assert_eq!(
        World::new().option("log_levle", "x").refusal(),
        ("unknown key `log_levle` in --config".into(), "did you mean `log_level`?".into())
    );
}

#[test]
fn a_wrong_type_is_named_with_what_was_expected_and_found() {
    let wrong = |text: &str| World::new().file(".inferno.toml", text).refusal().0;
    assert_eq!(
        wrong("[serve]\nport = 'high'"),
        "~/.inferno.toml:2: `serve.port` must be a port from 0 to 65535 (0: any free one), found the string \"high\""
    );
    assert_eq!(
        wrong("log_level = 'loud'"),
        "~/.inferno.toml:1: `log_level` must be off, error, warn, info, debug or trace, found the string \"loud\""
    );
    assert_eq!(
        wrong("models_dir = true"),
        "~/.inferno.toml:1: `models_dir` must be a path (`~/` is the home directory), found `true`"
    );
    assert_eq!(wrong("serve = 1"), "~/.inferno.toml:1: `serve` must be a table, found the integer 1");
    assert_eq!(
        World::new().variable("INFERNO_SERVE_PORT", "high").refusal().0,
        "INFERNO_SERVE_PORT must be a port from 0 to 65535 (0: any free one), found `high`"
    );
    let not_toml = wrong("\nx = = 1");
    assert!(not_toml.starts_with("~/.inferno.toml:2: this is not TOML: "), "{not_toml}");
}

#[test]
fn a_source_that_is_overruled_must_still_make_sense() {
    let world = World::new().file(".inferno.toml", "serve.port = 'x'").variable("INFERNO_SERVE_PORT", "1");
    assert!(world.refusal().0.starts_with("~/.inferno.toml:1: `serve.port` must be"));
}

#[test]
fn a_project_cannot_say_where_code_is_loaded_from() {
    for key in ["data_dir", "cache_dir", "backends_dir", "plugins_dir"] {
        let (message, hint) = World::new().file("project/.inferno.toml", &format!("{key} = 'x'")).refusal();
        assert_eq!(message, format!("~/project/.inferno.toml:1: `{key}` cannot be set by a project's file"));
        assert!(hint.contains("~/.inferno.toml"), "{hint}");
        World::new().file(".inferno.toml", &format!("{key} = 'x'")).settings();
    }
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    assert_eq!(World::new().variable("INFERNO_SERVE_PORT", "").settings().serve_port, 14633);
}

#[test]
fn settings_of_plugins_are_merged_key_by_key_and_secrets_are_not_shown() {
    let world =
        World::new().file("project/.inferno.toml", "[plugins.gateway.settings]\ngreeting = 'hi'").file(
            ".inferno.toml",
            "[plugins.gateway.settings]\ngreeting = 'no'\napi_key = 'hush'\nlist = [1, { a = 2.5 }]",
        );
    let settings = world.settings();
    assert_eq!(
        serde_json::Value::Object(settings.plugins["gateway"].own.settings.clone()),
        json!({"greeting": "hi", "api_key": "hush", "list": [1, {"a": 2.5}]})
    );
    let shown: Vec<(&str, &serde_json::Value)> = settings
        .entries
        .iter()
        .filter(|entry| entry.key.starts_with("plugins."))
        .map(|entry| (entry.key.as_str(), &entry.value))
        .collect();
    assert_eq!(
        shown,
        [
            ("plugins.gateway.settings.greeting", &json!("hi")),
            ("plugins.gateway.settings.api_key", &json!("(hidden)")),
            ("plugins.gateway.settings.list", &json!([1, {"a": 2.5}])),
        ]
    );
}

#[test]
fn a_plugin_can_be_turned_off() {
    let world = World::new().file(".inferno.toml", "plugins.gateway.enabled = false");
    assert!(!world.settings().plugins["gateway"].enabled);
    let world = World::new().file(".inferno.toml", "plugins.gateway.enabled = 'no'");
    assert_eq!(
        world.refusal().0,
        "~/.inferno.toml:1: `plugins.gateway.enabled` must be true or false, found the string \"no\""
    );
}

#[test]
fn the_reference_lists_every_key_and_names_no_machine() {
    let reference = reference().unwrap();
    for key in KEYS {
        assert!(reference.contains(&format!("| `{}` | `{}` |", key.name, key.variable())), "{}", key.name);
    }
    assert!(reference.contains("`~/.local/share/inferno/models`"), "{reference}");
    assert!(!reference.contains(&*std::env::home_dir().unwrap().to_string_lossy()), "{reference}");
}
