//! What the README promises to somebody who has installed nothing: a model answers, on the command line and over HTTP.

use inferno_tests::TestContext;
use serde_json::{Value, json};

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn without_a_model_of_ones_own_the_demo_model_answers() {
    let context = TestContext::new();
    let ask = [
        "run",
        "--prompt",
        "Tell me a story about a fox named Mia.",
        "--max-tokens",
        "60",
        "--temperature",
        "0",
    ];
    let story = context.product(&ask);
    assert!(story.split_whitespace().count() > 10, "{story}");
    assert_eq!(context.product(&ask), story, "greedy, so the same again");
    let answer = json_of(&context.product(&[&ask[..], &["--json"]].concat()));
    assert!(
        answer.to_string().contains(story.trim()) || story.contains(answer["text"].as_str().unwrap().trim()),
        "{answer}"
    );
}

#[test]
fn the_prompt_may_come_from_standard_input_and_the_product_is_alone_on_stdout() {
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    std::fs::write(context.home().join("prompt.txt"), "from a file").unwrap();
    let mut command = context.command(&["run", "--model", "parrot"]);
    command.stdin(std::fs::File::open(context.home().join("prompt.txt")).unwrap());
    let finished = inferno_tests::Finished::of(&mut command);
    assert_eq!((finished.status, finished.stdout.as_str()), (Some(0), "from a file\n"), "{finished:?}");
}

#[test]
fn listings_are_json_on_request() {
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    let names = |verb: &[&str]| {
        let listed = json_of(&context.product(verb));
        let text = listed.to_string();
        assert!(listed.is_array() || listed.is_object(), "{text}");
        text
    };
    let models = names(&["models", "list", "--json"]);
    assert!(models.contains("\"parrot\"") && models.contains("\"storyteller\""), "{models}");
    assert!(names(&["plugin", "list", "--json"]).contains("\"gateway\""));
    let backends = names(&["backend", "list", "--json"]);
    assert!(backends.contains("\"gguf\"") && backends.contains("\"echo\""), "{backends}");
    assert!(names(&["config", "show", "--json"]).contains("serve.port"));
    assert!(names(&["models", "info", "storyteller", "--json"]).contains("llama"));
}

#[test]
fn the_same_model_answers_over_http() {
    let context = TestContext::new();
    let server = context.serve(&[]);
    let body = json!({
        "model": "storyteller", "max_tokens": 40, "temperature": 0, "stream": true,
        "messages": [{"role": "user", "content": "Tell me a story about a fox named Mia."}],
    });
    let head = server.send("POST", "/v1/chat/completions", &[], Some(body.to_string().as_bytes()));
    assert!(head.header("x-request-id").is_some());
    let story = head.events().text();
    assert!(story.split_whitespace().count() > 10, "{story}");
    let health = server.get("/health");
    assert_eq!((health.status, &health.json()["status"]), (200, &"ok".into()));
}

#[test]
fn a_model_has_one_name_wherever_its_file_is() {
    let context = TestContext::new();
    std::fs::copy(context.storyteller(), context.models().join("mine.gguf")).unwrap();
    std::os::unix::fs::symlink("mine.gguf", context.models().join("alias.gguf")).unwrap();
    let server = context.serve(&[]);
    let listed = server.get("/v1/models").json();
    let ids: Vec<&str> =
        listed["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    let of_file = ids.iter().filter(|id| ["mine", "alias"].contains(id)).count();
    assert_eq!(of_file, 1, "one file is one model: {ids:?}");
}
