//! The folder in which a command is run: what a plugin finds there, that it finds no way out of it, and where it is
//! never lent.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use inferno_sandbox::{CommandRun, ErrorKind, Plugin};
use serde_json::Map;
use tempfile::TempDir;

use crate::command::written;
use crate::guests::{PROBE, VERB, guest};
use crate::lab::{Lab, ask, caller, manifest};
use crate::log::Captured;

/// A home with the host's own files, a folder to work in, and what no plugin may reach beside it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(TempDir::new().unwrap());
        for folder in ["work/inner", "work/data", "private", ".local/inferno/models"] {
            fs::create_dir_all(home.path(folder)).unwrap();
        }
        fs::write(home.path("work/a.txt"), "read me").unwrap();
        fs::write(home.path("work/data/b.txt"), "the user's").unwrap();
        fs::write(home.path("private/key"), "not for you").unwrap();
        fs::write(home.path(".local/inferno/keys"), "not for you").unwrap();
        symlink(home.path("private"), home.path("work/way-out")).unwrap();
        symlink("../private/key", home.path("work/key")).unwrap();
        symlink(home.path("private/key"), home.path("work/absolute-key")).unwrap();
        symlink(home.path(".local/inferno"), home.path("work/inferno")).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn lab(&self) -> Lab {
        Lab::with(|config| {
            config.data_dir = Some(self.path(".local/inferno/plugin-data"));
            config.reserved = vec![self.path(".local/inferno"), self.path(".config/inferno")];
        })
    }
}

fn verb(lab: &Lab, asks: &str, grants: &str) -> Plugin {
    let manifest = manifest("verb", "[roles.command]", &format!("[asks]\n{asks}"));
    let grants = format!("[[grant]]\nplugin = 'verb'\ndigest = 'DIGEST'\n{grants}");
    lab.granted_to(&manifest, VERB, &grants, Map::new())
}

fn with(lab: &Lab, access: &str) -> Plugin {
    verb(lab, "workdir = { access = 'write', why = 'x' }", &format!("workdir = {{ access = '{access}' }}"))
}

/// What the plugin says when it is run in a folder; an error is what it says went wrong.
async fn files(plugin: &Plugin, folder: &Path, words: &[&str]) -> Result<String, String> {
    let (run, out, err) = written(&[&["files"], words].concat());
    let run = CommandRun { workdir: Some(folder.to_owned()), ..run };
    match plugin.command(caller("local"), run).await.unwrap() {
        0 => Ok(out.text()),
        _ => Err(err.text()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_are_those_that_the_user_types() {
    let home = Home::new();
    let lab = home.lab();
    let (plugin, work) = (with(&lab, "write"), home.path("work"));
    let whole = |name: &str| work.join(name).display().to_string();
    let said = async |words: &[&str]| files(&plugin, &work, words).await.unwrap();
    assert_eq!(said(&["in", &whole(""), "cwd"]).await, work.display().to_string());
    assert_eq!(said(&["in", &whole("inner"), "read", "../a.txt"]).await, "read me");
    for path in ["a.txt", "./a.txt", "inner/../a.txt", &whole("a.txt"), &whole("inner/../a.txt")] {
        assert_eq!(said(&["read", path]).await, "read me", "{path}");
    }
    assert_eq!(said(&["list", "."]).await, "a.txt absolute-key data inferno inner key way-out");
    assert_eq!(said(&["list", &whole("")]).await, said(&["list", "."]).await);
    said(&["write", "inner/new", "by the plugin"]).await;
    said(&["rename", "inner/new", &whole("renamed")]).await;
    assert_eq!(fs::read_to_string(work.join("renamed")).unwrap(), "by the plugin");
    said(&["remove", "./renamed"]).await;
    said(&["make", "out"]).await;
    assert!(work.join("out").is_dir() && !work.join("renamed").exists());
    // In a folder below it is only that one.
    assert_eq!(files(&plugin, &work.join("data"), &["read", "b.txt"]).await.unwrap(), "the user's");
    files(&plugin, &work.join("data"), &["read", "../a.txt"]).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out() {
    let home = Home::new();
    let lab = home.lab();
    let (plugin, work) = (with(&lab, "write"), home.path("work"));
    let private = home.path("private/key").display().to_string();
    let around = format!("{}/../private/key", work.display());
    for path in [
        "../private/key",
        "inner/../../private/key",
        "./../private/key",
        &private,
        &around,
        "key",
        "key/",
        "absolute-key",
        "way-out/key",
        "inner/../way-out/key",
        "inferno/keys",
        "/etc/passwd",
        "/../private/key",
        "/",
        "",
    ] {
        let said = files(&plugin, &work, &["read", path]).await;
        assert!(said.is_err(), "{path}: {said:?}");
    }
    for words in [
        ["write", "../private/new", "x"],
        ["write", "way-out/new", "x"],
        ["write", "key", "x"],
        ["write", "inferno/grants.toml", "x"],
        ["rename", "../private/key", "mine"],
        ["rename", "way-out/key", "mine"],
        ["rename", "a.txt", "../private/a.txt"],
        ["rename", "a.txt", "way-out/a.txt"],
        ["link", "way-out/key", "mine"],
        ["link", "inferno/keys", "mine"],
        ["link", "a.txt", "../private/a.txt"],
    ] {
        let said = files(&plugin, &work, &words).await;
        assert!(said.is_err(), "{words:?}: {said:?}");
    }
    for words in [
        ["list", ".."],
        ["list", "way-out"],
        ["list", "inferno"],
        ["make", "../x"],
        ["remove", "way-out/key"],
    ] {
        let said = files(&plugin, &work, &words).await;
        assert!(said.is_err(), "{words:?}: {said:?}");
    }
    assert_eq!(fs::read_to_string(home.path("private/key")).unwrap(), "not for you");
    assert_eq!(fs::read_dir(home.path("private")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(home.path(".local/inferno")).unwrap().count(), 2);
    assert!(work.join("a.txt").exists() && !work.join("mine").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lesser_access_of_ask_and_grant_counts() {
    let home = Home::new();
    let lab = home.lab();
    let work = home.path("work");
    let asks_to_read =
        verb(&lab, "workdir = { access = 'read', why = 'x' }", "workdir = { access = 'write' }");
    for plugin in [with(&lab, "read"), asks_to_read] {
        assert_eq!(files(&plugin, &work, &["read", "a.txt"]).await.unwrap(), "read me");
        let whole = work.join("a.txt").display().to_string();
        for words in [
            vec!["write", "a.txt", "x"],
            vec!["write", &whole, "x"],
            vec!["write", "new", "x"],
            vec!["remove", "a.txt"],
            vec!["rename", "a.txt", "b.txt"],
            vec!["make", "new"],
        ] {
            let said = files(&plugin, &work, &words).await;
            assert!(said.is_err(), "{words:?}: {said:?}");
        }
        assert_eq!(fs::read_to_string(work.join("a.txt")).unwrap(), "read me");
        assert!(!work.join("new").exists());
    }
}

#[tokio::test]
async fn without_a_grant_there_is_no_folder_and_the_log_says_so() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(captured.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let home = Home::new();
    let lab = home.lab();
    let work = home.path("work");
    let whole = work.join("a.txt").display().to_string();
    let not_granted = verb(&lab, "workdir = { access = 'write', why = 'x' }\nkv = true", "kv = true");
    let not_asked = verb(&lab, "kv = true", "workdir = { access = 'write' }\nkv = true");
    for plugin in [&not_granted, &not_asked] {
        for path in ["a.txt", &whole] {
            assert!(files(plugin, &work, &["read", path]).await.is_err(), "{path}");
        }
    }
    let text = captured.text();
    let line = text.lines().find(|line| line.contains("inferno::denied")).unwrap();
    assert!(
        line.contains("asks for the folder in which it is run, which the user has not granted"),
        "{line}"
    );
    assert!(line.contains("kv = true\\nworkdir = { access = \\\"write\\\" }"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_run_in_a_folder_is_lent_one() {
    let home = Home::new();
    let lab = home.lab();
    let (run, ..) = written(&["files", "read", "a.txt"]);
    assert_eq!(with(&lab, "write").command(caller("local"), run).await.unwrap(), 1);

    // One plugin in two roles, and of WASI 0.3.
    let roles = "[roles.command]\n[roles.http]\nmounts = ['/probe']";
    let asks = "[asks]\nworkdir = { access = 'write', why = 'x' }";
    let probe = lab.load(&manifest("probe", roles, asks), guest(PROBE)).unwrap();
    let run = CommandRun { workdir: Some(home.path("work")), ..CommandRun::default() };
    assert_eq!(probe.command(caller("local"), run).await.unwrap(), 0);
    for path in ["a.txt".to_owned(), home.path("work/a.txt").display().to_string()] {
        let (status, text) = ask(&probe, &format!("/probe/files?do=read&path={path}"), "").await.unwrap();
        assert_eq!(status, 409, "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_host_keeps_its_own_files_nothing_runs() {
    let home = Home::new();
    let lab = home.lab();
    symlink(home.path(".local/inferno/models"), home.path("models")).unwrap();
    fs::create_dir_all(home.path(".config")).unwrap();
    for access in ["read", "write"] {
        let plugin = with(&lab, access);
        for (folder, how) in [
            ("", "holds"),
            (".local", "holds"),
            (".local/inferno", "is"),
            (".local/inferno/models", "lies in"),
            ("work/inferno", "is"),
            ("models", "lies in"),
            (".config", "holds"),
        ] {
            let (run, out, _) = written(&["files", "cwd"]);
            let run = CommandRun { workdir: Some(home.path(folder)), ..run };
            let error = plugin.command(caller("local"), run).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Workdir, "{folder}");
            let place = home.path(if folder == ".config" { ".config/inferno" } else { ".local/inferno" });
            assert!(error.to_string().contains(&format!(" {how} {}, where", place.display())), "{error}");
            assert!(error.hint().unwrap().starts_with("run it in another folder"), "{error:?}");
            assert_eq!(out.text(), "");
        }
    }
    // A plugin that was not granted it runs anywhere.
    let other = verb(&lab, "kv = true", "kv = true");
    let (run, ..) = written(&["exit"]);
    let run = CommandRun { workdir: Some(home.path(".local/inferno")), ..run };
    assert_eq!(other.command(caller("local"), run).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_gone_is_named() {
    let home = Home::new();
    let lab = home.lab();
    let (run, ..) = written(&["exit"]);
    let run = CommandRun { workdir: Some(home.path("work/none")), ..run };
    let error = with(&lab, "read").command(caller("local"), run).await.unwrap_err();
    let expect = format!(
        "the folder in which it is run, {}, which cannot be opened",
        home.path("work/none").display()
    );
    assert!(error.to_string().contains(&expect), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_the_users_does_not_hide_behind_one_of_the_plugins() {
    let home = Home::new();
    let lab = home.lab();
    let both = "workdir = { access = 'write' }\ndata = true";
    let (plugin, work) = (verb(&lab, both, both), home.path("work"));
    // What the SDK does before anything else.
    let begun = async |words: &[&str]| {
        let folder = work.display().to_string();
        files(&plugin, &work, &[&["in", &folder], words].concat()).await.unwrap()
    };
    assert_eq!(begun(&["read", "data/b.txt"]).await, "the user's");
    begun(&["write", "/data/b.txt", "the plugin's"]).await;
    assert_eq!(begun(&["read", "data/b.txt"]).await, "the user's");
    assert_eq!(begun(&["read", "/data/b.txt"]).await, "the plugin's");
    assert_eq!(fs::read_to_string(work.join("data/b.txt")).unwrap(), "the user's");
}
