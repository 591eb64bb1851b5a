//! Images, from each dialect to a model that sees, and to one that does not.

use std::fs;
use std::path::PathBuf;

use inferno_tests::{Server, TestContext, gguf};
use serde_json::{Value, json};

/// The demo model, with an eye and without.
fn seers() -> TestContext {
    let context = TestContext::new();
    for name in ["seer", "blind"] {
        let folder = context.models().join(name);
        fs::create_dir(&folder).unwrap();
        fs::copy(context.storyteller(), folder.join(format!("{name}.gguf"))).unwrap();
    }
    gguf::projector(&context.models().join("seer/mmproj-f32.gguf"), 256).unwrap();
    context
}

/// A small picture, another one with every seed, as a BMP.
fn picture(seed: u8) -> Vec<u8> {
    let (width, height) = (20_u32, 12_u32);
    let mut bytes = b"BM".to_vec();
    for number in [54 + 3 * width * height, 0, 54, 40, width, height, 1 | 24 << 16, 0, 0, 0, 0, 0, 0] {
        bytes.extend(number.to_le_bytes());
    }
    let pixels = (0..3 * width * height).map(|at| (at as u8).wrapping_mul(seed).wrapping_add(7 * seed));
    bytes.extend(pixels);
    bytes
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for digit in 0..=three.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
        text.extend(std::iter::repeat_n('=', 3 - three.len()));
    }
    text
}

fn url(bytes: &[u8]) -> String {
    format!("data:image/bmp;base64,{}", base64(bytes))
}

/// A chat of one message: an image and a question.
fn chat(model: &str, url: &str) -> Value {
    let content = json!([
        {"type": "image_url", "image_url": {"url": url, "detail": "high"}},
        {"type": "text", "text": "Tell me a story."},
    ]);
    json!({
        "model": model, "temperature": 0, "max_tokens": 24, "logprobs": true,
        "messages": [{"role": "user", "content": content}],
    })
}

#[track_caller]
fn answered(server: &Server, body: &Value) -> Value {
    let answer = server.post("/v1/chat/completions", body);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn text(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}

/// How likely the first token was.
fn first(answer: &Value) -> f64 {
    answer["choices"][0]["logprobs"]["content"][0]["logprob"].as_f64().unwrap()
}

#[test]
fn what_is_shown_counts_in_every_dialect() {
    let context = seers();
    let server = context.serve(&[]);
    let plain = json!({
        "model": "seer", "temperature": 0, "max_tokens": 24, "logprobs": true,
        "messages": [{"role": "user", "content": "Tell me a story."}],
    });
    let unseen = answered(&server, &plain);
    let one = answered(&server, &chat("seer", &url(&picture(3))));
    let other = answered(&server, &chat("seer", &url(&picture(5))));
    let tokens = |answer: &Value| answer["usage"]["prompt_tokens"].as_u64().unwrap();
    assert_eq!(tokens(&one), tokens(&unseen) + 16, "an image is sixteen tokens here");
    assert!((first(&one) - first(&other)).abs() > 1e-5, "{one} {other}");
    assert!((first(&one) - first(&unseen)).abs() > 1e-5, "{one} {unseen}");
    let again = answered(&server, &chat("seer", &url(&picture(3))));
    assert_eq!(text(&again), text(&one));
    assert!((first(&again) - first(&one)).abs() < 1e-3);
    assert_eq!(text(&answered(&server, &plain)), text(&unseen), "who shows nothing sees no difference");
    let mut blind = plain.clone();
    blind["model"] = "blind".into();
    assert_eq!(text(&answered(&server, &blind)), text(&unseen), "nor does the eye change the model");

    // All dialects say the same to the model: the image, then the question.
    let data = base64(&picture(3));
    let response = server.post(
        "/v1/responses",
        &json!({
            "model": "seer", "temperature": 0, "max_output_tokens": 24,
            "input": [{"role": "user", "content": [
                {"type": "input_image", "image_url": url(&picture(3)), "detail": "auto"},
                {"type": "input_text", "text": "Tell me a story."},
            ]}],
        }),
    );
    assert_eq!(response.json()["output"][0]["content"][0]["text"], text(&one), "{response:?}");
    let options = json!({"temperature": 0, "num_predict": 24});
    let ollama = server.post(
        "/api/chat",
        &json!({
            "model": "seer", "stream": false, "options": options,
            "messages": [{"role": "user", "content": "Tell me a story.", "images": [data]}],
        }),
    );
    assert_eq!(ollama.json()["message"]["content"], text(&one), "{ollama:?}");
    let ollama = server.post(
        "/api/generate",
        &json!({
            "model": "seer", "stream": false, "options": options,
            "prompt": "Tell me a story.", "images": [data],
        }),
    );
    assert_eq!(ollama.json()["response"], text(&one), "{ollama:?}");
    let anthropic = server.post(
        "/v1/messages",
        &json!({
            "model": "seer", "temperature": 0, "max_tokens": 24,
            "messages": [{"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": data}},
                {"type": "text", "text": "Tell me a story."},
            ]}],
        }),
    );
    assert_eq!(anthropic.json()["content"][0]["text"], text(&one), "{anthropic:?}");
    let counted = server.post(
        "/v1/messages/count_tokens",
        &json!({
            "model": "seer",
            "messages": [{"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": data}},
                {"type": "text", "text": "Tell me a story."},
            ]}],
        }),
    );
    assert_eq!(counted.json()["input_tokens"].as_u64(), Some(tokens(&one)), "{counted:?}");
    let shown = server.post("/api/show", &json!({"model": "seer"})).json();
    assert!(shown["capabilities"].as_array().unwrap().contains(&"vision".into()), "{shown}");
}

#[test]
fn what_cannot_be_seen_is_refused_and_the_model_lives_on() {
    let context = seers();
    let server = context.serve(&[]);
    let before = text(&answered(&server, &chat("seer", &url(&picture(3))))).to_owned();
    let worker = || {
        let report = server.get("/inferno/ps").json();
        let loaded = report["models"].as_array().unwrap();
        loaded.iter().find(|model| model["name"] == "seer/seer").unwrap_or_else(|| panic!("{report}"))["pid"]
            .clone()
    };
    let pid = worker();
    let refused = |model: &str, url: &str, says: &str| {
        let message = server.post("/v1/chat/completions", &chat(model, url)).refusal(400);
        assert!(message.contains(says), "{message:?} lacks {says:?}");
    };
    let mut vast = picture(3);
    vast[18..22].copy_from_slice(&60_000_u32.to_le_bytes());
    vast[22..26].copy_from_slice(&60_000_u32.to_le_bytes());
    refused("seer", &url(&picture(3)[..200]), "damaged or cut off");
    refused("seer", &url(b"\x89PNG\r\n\x1a\n and so on"), "damaged or cut off");
    refused("seer", &url(b"<svg/>"), "none of PNG, JPEG, GIF, WebP and BMP");
    refused("seer", &url(&vast), "60000 x 60000 pixels it is too large");
    refused("seer", "https://example.com/cat.png", "fetches nothing from elsewhere");
    refused("seer", "data:image/png;base64,....", "no base64");
    refused("blind", &url(&picture(3)), "has no vision: it takes text only");
    assert_eq!(text(&answered(&server, &chat("seer", &url(&picture(3))))), before);
    assert_eq!(worker(), pid, "the same process: {}", server.said());
    let report = server.get("/inferno/ps").json();
    let estimated = |name: &str| {
        let loaded = report["models"].as_array().unwrap().iter().find(|model| model["name"] == name).unwrap();
        loaded["estimated"].as_u64().unwrap()
    };
    let eye = fs::metadata(context.models().join("seer/mmproj-f32.gguf")).unwrap().len();
    assert!(estimated("seer/seer") >= estimated("blind/blind") + eye, "{report}");

    let images = json!([base64(&picture(3))]);
    let asked = json!([{"role": "user", "content": "?", "images": images}]);
    let ollama = server.post("/api/chat", &json!({"model": "blind", "messages": asked}));
    assert_eq!(ollama.status, 400, "{ollama:?}");
    assert!(ollama.json()["error"].as_str().unwrap().contains("no vision"), "{ollama:?}");
    let source = json!({"type": "url", "url": "https://example.com/cat.png"});
    let asked = json!([{"role": "user", "content": [{"type": "image", "source": source}]}]);
    let anthropic =
        server.post("/v1/messages", &json!({"model": "seer", "max_tokens": 9, "messages": asked}));
    assert_eq!(anthropic.status, 400, "{anthropic:?}");
    assert!(anthropic.json()["error"]["message"].as_str().unwrap().contains("fetches nothing"));
}

#[test]
fn the_command_line_shows_images_and_what_looks_at_them() {
    let context = seers();
    let listed: Value = serde_json::from_str(&context.product(&["models", "list", "--json"])).unwrap();
    let seeing: Vec<_> =
        listed.as_array().unwrap().iter().map(|model| (&model["name"], &model["vision"])).collect();
    assert!(seeing.contains(&(&"seer/seer".into(), &true.into())), "{listed}");
    assert!(seeing.contains(&(&"blind/blind".into(), &false.into())), "{listed}");
    assert!(!listed.to_string().contains("mmproj"), "a projector is no model: {listed}");
    let info = context.product(&["models", "info", "seer"]);
    assert!(info.lines().any(|line| line.contains("vision") && line.contains("mmproj-f32.gguf")), "{info}");

    let image = |name: &str, seed| -> PathBuf {
        let path = context.home().join(name);
        fs::write(&path, picture(seed)).unwrap();
        path
    };
    image("a.bmp", 3);
    let ask = |model: &str, more: &[&str]| {
        let args =
            ["run", model, "--json", "--temperature", "0", "--max-tokens", "24", "-p", "Tell me a story."];
        context.run(&[&args[..], more].concat())
    };
    let usage = |product: &str| -> u64 {
        let product: Value = serde_json::from_str(product).unwrap();
        product["usage"]["prompt_tokens"].as_u64().unwrap()
    };
    let plain = ask("seer", &[]);
    let seen = ask("seer", &["--image", "a.bmp"]);
    assert_eq!((plain.status, seen.status), (Some(0), Some(0)), "{plain:?} {seen:?}");
    assert_eq!(usage(&seen.stdout), usage(&plain.stdout) + 16);
    let twice = ask("seer", &["--image", "a.bmp", "--image", "a.bmp"]);
    assert_eq!(usage(&twice.stdout), usage(&plain.stdout) + 32);
    let eye = context.models().join("seer/mmproj-f32.gguf");
    let lent = ask("blind", &["--image", "a.bmp", "--mmproj", eye.to_str().unwrap()]);
    assert_eq!(lent.status, Some(0), "{lent:?}");
    assert_eq!(usage(&lent.stdout), usage(&seen.stdout));

    let failed = |model: &str, more: &[&str], says: &str| {
        let finished = ask(model, more);
        assert!(finished.status != Some(0) && finished.stderr.contains(says), "{finished:?}");
    };
    failed("blind", &["--image", "a.bmp"], "has no vision");
    failed("seer", &["--image", "b.bmp"], "cannot read the image b.bmp");
    failed("blind", &["--mmproj", "a.bmp"], "a.bmp");
    let other = context.home().join("other.gguf");
    gguf::projector(&other, 64).unwrap();
    failed("seer", &["--mmproj", "other.gguf"], "vectors of 64 numbers, but the model's have 256");
}
