//! `run` and `bench` with the demo model and with an echo model.

use std::fs;

use serde_json::Value;

use crate::harness::User;

#[test]
fn the_demo_model_answers_out_of_the_box_and_repeats_itself_with_a_seed() {
    let user = User::new();
    let tell = || {
        let prompt = "Tell me a story about a fox named Mira.";
        user.call(["run", "-p", prompt, "--seed", "7", "--max-tokens", "60"]).product()
    };
    let story = tell();
    assert!(story.split_whitespace().count() > 10, "{story}");
    assert!(story.ends_with('\n'), "{story:?}");
    assert_eq!(tell(), story);
}

#[test]
fn json_has_text_usage_and_timings() {
    let answer = User::new()
        .call(["run", "storyteller", "-p", "Tell me a story.", "--json", "--seed", "1", "--max-tokens", "8"])
        .json();
    assert_eq!(answer["model"], "storyteller");
    assert_eq!(answer["finish"], "length");
    assert_eq!(answer["usage"]["output_tokens"], 8);
    assert!(answer["usage"]["prompt_tokens"].as_u64().unwrap() > 3, "{answer}");
    assert!(!answer["text"].as_str().unwrap().is_empty(), "{answer}");
    for timing in ["load_ms", "first_token_ms", "total_ms", "tokens_per_second"] {
        assert!(answer["timings"][timing].as_f64().unwrap() > 0.0, "{answer}");
    }
}

#[test]
fn the_prompt_comes_from_options_words_and_input() {
    let user = User::new().echo("parrot");
    let text = |done: crate::harness::Done| done.json()["text"].as_str().unwrap().to_owned();
    let run = ["run", "--model", "parrot", "--raw", "--json"];
    let by_option = text(user.call(run.iter().chain(&["--prompt", "polly wants"])));
    assert!(by_option.contains("polly"), "{by_option}");
    assert_eq!(text(user.call(["run", "parrot", "polly wants", "--raw", "--json"])), by_option);
    assert_eq!(text(user.call_with(run, b"polly wants\n")), by_option);
    let both = text(user.call_with(run.iter().chain(&["--prompt", "polly"]), b"crackers\n"));
    assert!(both.contains("polly") && both.contains("crackers"), "{both}");
}

#[test]
fn a_model_can_be_a_file_and_the_configuration_names_the_usual_one() {
    let user = User::new().echo("parrot").with("INFERNO_MODEL", "parrot");
    let file = user.models().join("parrot.echo");
    fs::copy(&file, user.work().join("other.echo")).unwrap();
    let model = |arguments: &[&str]| {
        let call = ["run", "-p", "hello", "--json"].iter().chain(arguments);
        user.call(call).json()["model"].as_str().unwrap().to_owned()
    };
    assert_eq!(model(&[]), "parrot");
    assert_eq!(model(&["--model", "./other.echo"]), "other");
    assert_eq!(model(&["--model", "storyteller", "--max-tokens", "2"]), "storyteller");
}

#[test]
fn mistakes_are_told_before_a_model_is_loaded() {
    let user = User::new();
    assert!(user.call(["run"]).refusal(2).contains("there is no prompt"));
    let refusal = user.call(["run", "-p", "x", "--temperature", "9"]).refusal(2);
    assert!(refusal.contains("temperature is 9, but must be between 0 and 2"), "{refusal}");
    assert!(user.call(["run", "-p", "x", "--max-tokens", "0"]).refusal(2).contains("--max-tokens"));
    assert!(user.call_with(["run"], b"\xff\xfe").refusal(1).contains("UTF-8"));
    let refusal = user.call(["run", "Tell me a story"]).refusal(2);
    assert!(refusal.contains("there is no prompt"), "{refusal}");
    let refusal = user.call_with(["run", "Tell me a story"], b"x").refusal(1);
    assert!(refusal.contains("--prompt"), "{refusal}");
    let refusal = user.call(["run", "storytelle", "-p", "x"]).refusal(1);
    assert!(refusal.contains("\"storyteller\""), "{refusal}");
}

#[test]
fn a_prompt_that_does_not_fit_is_refused_with_both_numbers() {
    let user = User::new().echo("parrot");
    let prompt = "word ".repeat(200);
    let refusal = user.call(["run", "parrot", "--raw", "-p", &prompt]).refusal(1);
    assert!(refusal.contains("200") && refusal.contains("64"), "{refusal}");
}

#[test]
fn a_torn_model_is_an_error_within_moments() {
    let user = User::new().file("work/torn.gguf", "GGUF\x03\0\0\0");
    let refusal = user.call(["run", "--model", "./torn.gguf", "-p", "x"]).refusal(1);
    assert!(refusal.contains("torn.gguf"), "{refusal}");
}

#[test]
fn bench_measures() {
    let user = User::new();
    let arguments =
        ["bench", "--model", "storyteller", "--runs", "2", "--prompt-words", "20", "--max-tokens", "16"];
    let report: Value = user.call(arguments.iter().chain(&["--json"])).json();
    assert_eq!(report["runs"], 2);
    for figure in ["first_token_ms", "prompt_tokens_per_second", "output_tokens_per_second"] {
        let [min, median, max] = ["min", "median", "max"].map(|name| report[figure][name].as_f64().unwrap());
        assert!(0.0 < min && min <= median && median <= max, "{report}");
    }
    assert!(report["prompt_tokens"]["min"].as_f64().unwrap() >= 20.0, "{report}");
    let table = user.call(arguments).product();
    assert!(table.contains("answer, tokens/s"), "{table}");
}
