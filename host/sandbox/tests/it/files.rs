//! Folders: what a plugin finds there, and that it finds no way out of them or around their access.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use inferno_sandbox::{ErrorKind, Plugin};
use tempfile::TempDir;

use crate::lab::{Lab, ask, ask_for, ok};
use crate::log::Captured;

const ASKS: &str =
    "[asks]\nfiles = [{ path = '/docs', access = 'read', why = 'x' }, { path = '/out', access = 'write' }]\n";

/// `docs` and `out`, and beside them what no plugin may reach.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = TempDir::new().unwrap();
        let root = tree.path();
        for folder in ["docs/inner", "out", "private"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("docs/a.txt"), "read me").unwrap();
        fs::write(root.join("private/key"), "not for you").unwrap();
        symlink(root.join("private"), root.join("docs/way-out")).unwrap();
        symlink("../private/key", root.join("docs/key")).unwrap();
        symlink(root.join("private/key"), root.join("docs/absolute-key")).unwrap();
        symlink("a.txt", root.join("docs/inside")).unwrap();
        Self(tree)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn grant(&self, docs: &str, out: &str) -> String {
        let root = self.0.path().display();
        format!(
            "[[grant]]\nplugin = 'probe'\ndigest = 'DIGEST'\nfiles = [{{ path = '/docs', host = '{root}/docs', access = '{docs}' }}, {{ path = '/out', host = '{root}/out', access = '{out}' }}]"
        )
    }

    fn probe(&self, lab: &Lab) -> Plugin {
        lab.granted(ASKS, &self.grant("read", "write"))
    }

    /// Every file with its content, and every folder and link.
    fn snapshot(&self, below: &str) -> BTreeMap<PathBuf, String> {
        fn walk(path: &Path, found: &mut BTreeMap<PathBuf, String>) {
            let about = fs::symlink_metadata(path).unwrap();
            let content = if about.is_symlink() {
                format!("-> {}", fs::read_link(path).unwrap().display())
            } else if about.is_dir() {
                for entry in fs::read_dir(path).unwrap() {
                    walk(&entry.unwrap().path(), found);
                }
                "folder".to_owned()
            } else {
                format!("{:?} {}", about.modified().unwrap(), fs::read_to_string(path).unwrap())
            };
            found.insert(path.to_owned(), content);
        }
        let mut found = BTreeMap::new();
        walk(&self.path(below), &mut found);
        found
    }
}

async fn refused(probe: &Plugin, call: &str) -> String {
    let (status, text) = ask(probe, &format!("/probe/{call}"), "").await.unwrap();
    assert_eq!(status, 409, "{call}: {text}");
    assert!(!text.contains("not for you"), "{call}: {text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_finds_what_was_granted() {
    let (lab, tree) = (Lab::new(), Tree::new());
    let probe = tree.probe(&lab);
    assert_eq!(ok(&probe, "/probe/files?do=read&path=/docs/a.txt", "").await, "read me");
    assert_eq!(ok(&probe, "/probe/files?do=read&path=/docs/inside", "").await, "read me");
    assert_eq!(ok(&probe, "/probe/files?do=read&path=/docs/inner/../a.txt", "").await, "read me");
    assert_eq!(ok(&probe, "/probe/wasi-files?do=read&folder=/docs&path=a.txt", "").await, "read me");
    assert_eq!(
        ok(&probe, "/probe/files?do=list&path=/docs", "").await,
        "a.txt absolute-key inner inside key way-out"
    );
    ok(&probe, "/probe/files?do=write&path=/out/new", "").await;
    assert_eq!(fs::read_to_string(tree.path("out/new")).unwrap(), "by the plugin");
    ok(&probe, "/probe/files?do=rename&path=/out/new&to=/out/renamed", "").await;
    ok(&probe, "/probe/files?do=remove&path=/out/renamed", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out() {
    let (lab, tree) = (Lab::new(), Tree::new());
    let probe = tree.probe(&lab);
    let private = tree.path("private/key").display().to_string();
    for path in [
        "/docs/../private/key",
        "/docs/inner/../../private/key",
        "/private/key",
        "../private/key",
        &private,
        "/docs/key",
        "/docs/key/",
        "/docs/absolute-key",
        "/docs/way-out/key",
        "/docs/way-out/./key",
        "/docs/inner/../way-out/key",
        "/etc/passwd",
        "/docs//etc/passwd",
        "",
    ] {
        refused(&probe, &format!("files?do=read&path={path}")).await;
    }
    for path in [
        "../private/key",
        "inner/../../private/key",
        &private,
        "key",
        "key/",
        "absolute-key",
        "way-out/key",
        "/",
        "/etc/passwd",
        "a.txt/",
    ] {
        refused(&probe, &format!("wasi-files?do=read&folder=/docs&path={path}")).await;
    }
    for path in ["/docs/way-out", "/docs/way-out/", "/docs/way-out/.", "/docs/..", "/docs/../", "/"] {
        refused(&probe, &format!("files?do=list&path={path}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_to_read_stays_as_it_is() {
    let (lab, tree) = (Lab::new(), Tree::new());
    let probe = tree.probe(&lab);
    let before = tree.snapshot("docs");
    fs::write(tree.path("out/mine"), "mine").unwrap();
    for call in [
        "do=write&path=/docs/a.txt",
        "do=write&path=/docs/new",
        "do=append&path=/docs/a.txt",
        "do=append&path=/docs/new",
        "do=truncate&path=/docs/a.txt",
        "do=truncate&path=/docs/inside",
        "do=truncate-to&path=/docs/a.txt",
        "do=remove&path=/docs/a.txt",
        "do=remove&path=/docs/inside",
        "do=make-folder&path=/docs/more",
        "do=make-folder&path=/docs/more/",
        "do=remove-folder&path=/docs/inner",
        "do=remove-folder&path=/docs/inner/",
        "do=rename&path=/docs/a.txt&to=/docs/b.txt",
        "do=rename&path=/docs/a.txt&to=/out/a.txt",
        "do=rename&path=/docs/inner&to=/out/inner",
        "do=rename&path=/docs/inner/&to=/out/inner/",
        "do=rename&path=/out/mine&to=/docs/a.txt",
        "do=rename&path=/out/mine&to=/docs/mine",
        "do=link&path=/docs/a.txt&to=/docs/b.txt",
        "do=link&path=/docs/a.txt&to=/out/b.txt",
        "do=link&path=/out/mine&to=/docs/mine",
    ] {
        refused(&probe, &format!("files?{call}")).await;
        assert_eq!(tree.snapshot("docs"), before, "{call}");
    }
    for call in [
        "do=truncate&path=a.txt",
        "do=truncate-reading&path=a.txt",
        "do=truncate-creating&path=a.txt",
        "do=truncate-creating&path=new",
        "do=create&path=new",
        "do=set-size&path=a.txt",
        "do=set-times&path=a.txt",
        "do=symlink&path=a.txt&to=linked",
        "do=link&path=a.txt&to-folder=/docs&to=linked",
        "do=link&path=a.txt&to-folder=/out&to=linked",
        "do=link-following&path=inside&to-folder=/out&to=linked",
        "do=rename&path=a.txt&to-folder=/out&to=moved",
        "do=rename&path=inner/&to-folder=/out&to=moved/",
    ] {
        refused(&probe, &format!("wasi-files?folder=/docs&{call}")).await;
        assert_eq!(tree.snapshot("docs"), before, "{call}");
    }
    for call in ["do=link&path=mine&to-folder=/docs&to=a.txt", "do=rename&path=mine&to-folder=/docs&to=a.txt"]
    {
        refused(&probe, &format!("wasi-files?folder=/out&{call}")).await;
        assert_eq!(tree.snapshot("docs"), before, "{call}");
    }
    assert_eq!(tree.snapshot("out").len(), 2, "nothing of it got into the other folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_a_plugin_makes_lead_nowhere_else() {
    let (lab, tree) = (Lab::new(), Tree::new());
    let probe = tree.probe(&lab);
    let before = tree.snapshot("private");
    let absolute = tree.path("private").display().to_string();
    for (number, to) in ["../private", "../private/key", "../docs/a.txt", &absolute].iter().enumerate() {
        // Whether or not it may be made, it opens nothing.
        let _ =
            ask(&probe, &format!("/probe/wasi-files?do=symlink&folder=/out&path={to}&to=link{number}"), "")
                .await;
        for call in [
            format!("files?do=read&path=/out/link{number}"),
            format!("files?do=read&path=/out/link{number}/"),
            format!("files?do=read&path=/out/link{number}/key"),
            format!("files?do=truncate&path=/out/link{number}/key"),
            format!("files?do=truncate&path=/out/link{number}"),
            format!("files?do=write&path=/out/link{number}/new"),
            format!("files?do=remove&path=/out/link{number}/key"),
            format!("files?do=rename&path=/out/link{number}/key&to=/out/key"),
            format!("files?do=link&path=/out/link{number}/key&to=/out/key"),
            format!("files?do=make-folder&path=/out/link{number}/new/"),
            format!("files?do=remove-folder&path=/out/link{number}/"),
            format!("wasi-files?do=read&folder=/out&path=link{number}"),
            format!("wasi-files?do=truncate&folder=/out&path=link{number}"),
            format!("wasi-files?do=link-following&folder=/out&path=link{number}&to-folder=/out&to=key"),
        ] {
            refused(&probe, &call).await;
            assert_eq!(tree.snapshot("private"), before, "{call}");
        }
    }
    assert_eq!(fs::read_to_string(tree.path("docs/a.txt")).unwrap(), "read me");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lesser_access_of_ask_and_grant_counts() {
    let (lab, tree) = (Lab::new(), Tree::new());
    for (docs, out) in [("write", "read"), ("read", "read")] {
        let probe = lab.granted(ASKS, &tree.grant(docs, out));
        ok(&probe, "/probe/files?do=read&path=/docs/a.txt", "").await;
        refused(&probe, "files?do=write&path=/docs/a.txt").await;
        ok(&probe, "/probe/files?do=list&path=/out", "").await;
        refused(&probe, "files?do=write&path=/out/new").await;
    }
    let not_granted = lab.granted(ASKS, "");
    refused(&not_granted, "files?do=read&path=/docs/a.txt").await;
    let not_asked =
        lab.granted("[asks]\nfiles = [{ path = '/out', access = 'write' }]", &tree.grant("write", "write"));
    refused(&not_asked, "files?do=read&path=/docs/a.txt").await;
    ok(&not_asked, "/probe/files?do=write&path=/out/new", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_missing_is_named_when_it_is_needed() {
    let (lab, tree) = (Lab::new(), Tree::new());
    fs::remove_dir(tree.path("out")).unwrap();
    let probe = tree.probe(&lab);
    let error = ask(&probe, "/probe/hello", "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Host);
    let expect = format!(
        "plugin \"probe\" was granted the folder {} as \"/out\", which cannot be opened: No such file or directory (os error 2)",
        tree.path("out").display()
    );
    assert_eq!(error.to_string(), expect);
    assert!(error.hint().unwrap().contains("grants.toml"));
    fs::create_dir(tree.path("out")).unwrap();
    ok(&probe, "/probe/files?do=write&path=/out/new", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_a_grant_is_followed_once() {
    let (lab, tree) = (Lab::new(), Tree::new());
    fs::rename(tree.path("docs"), tree.path("first")).unwrap();
    symlink("first", tree.path("docs")).unwrap();
    let probe = tree.probe(&lab);
    fs::remove_file(tree.path("docs")).unwrap();
    symlink("private", tree.path("docs")).unwrap();
    assert_eq!(ok(&probe, "/probe/files?do=read&path=/docs/a.txt", "").await, "read me");
    refused(&probe, "files?do=read&path=/docs/key").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tenant_has_its_own_folder() {
    let (lab, tree) = (Lab::new(), Tree::new());
    let root = tree.0.path().display();
    let entry = |tenant: &str, folder: &str| {
        format!(
            "[[grant]]\nplugin = 'probe'\ndigest = 'DIGEST'\ntenant = '{tenant}'\nfiles = [{{ path = '/docs', host = '{root}/{folder}', access = 'read' }}]\n"
        )
    };
    let probe = lab.granted(ASKS, &(entry("a", "docs") + &entry("b", "private")));
    let read = async |tenant: &str, file: &str| {
        ask_for(tenant, &probe, &format!("/probe/files?do=read&path=/docs/{file}"), "").await.unwrap()
    };
    assert_eq!(read("a", "a.txt").await, (200, "read me".to_owned()));
    assert_eq!(read("b", "key").await, (200, "not for you".to_owned()));
    assert_eq!(read("b", "a.txt").await.0, 409);
    assert_eq!(read("a", "key").await.0, 409);
    assert_eq!(read("c", "a.txt").await.0, 409);
}

#[tokio::test]
async fn a_folder_that_was_not_granted_is_told_in_the_log() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(captured.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (lab, tree) = (Lab::new(), Tree::new());
    let docs = tree.grant("read", "write").replace(", { path = '/out'", "] #");
    lab.granted(ASKS, &docs);
    let text = captured.text();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("inferno::denied")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert!(lines[0].contains("asks for a folder as \"/out\", which the user has not granted"), "{text}");
    assert!(
        lines[0].contains(
            "path = \\\"/out\\\", host = \\\"/the/folder/that/is/meant\\\", access = \\\"write\\\""
        ),
        "{text}"
    );
}
