//! The SDKs for JavaScript and Python: they are as `wit/` has them, and their tests and those of the examples pass.

use std::path::Path;
use std::process::Command;

use inferno_tests::build;

#[test]
fn the_javascript_sdk_and_its_example() {
    let tools = build::tools_dir().join("sdk-js");
    // Its tests put the tools there.
    let own = ["build", "host", "text"].map(|name| format!("sdk/js/test/{name}.test.js"));
    let tests = ["sdk/generate/test/generate.test.mjs".to_owned()].into_iter().chain(own);
    build::run(in_root(Path::new("node")).arg("--test").args(tests).env("INFERNO_JS_TOOLS", &tools));
    let plugin = tools.join("bin/inferno-plugin.js");
    build::run(in_root(Path::new("node")).arg(plugin).args(["test", "examples/regex-judge"]));
}

#[test]
fn the_python_sdk_and_its_example() {
    let tools = build::tools_dir().join("sdk-python");
    build::run(in_root(Path::new("python3")).arg("sdk/python/install.py").arg(&tools));
    let python = tools.join("bin/python");
    build::run(in_root(&python).args(["sdk/generate/bindings.py", "--check"]));
    let tests = ["-m", "unittest", "discover", "-s", "sdk/python/tests"];
    build::run(in_root(&python).args(tests).env("PYTHONPATH", "sdk/python"));
    build::run(in_root(&python).args(["-m", "inferno_plugin", "test", "examples/tag-step"]));
}

/// A command that runs in the repository's root.
fn in_root(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(build::root());
    command
}
