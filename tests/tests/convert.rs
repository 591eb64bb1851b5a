//! `inferno convert` as a user runs it: from one encoding to another and back, killed at random moments, on files that lie,
//! and where it may not go.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use inferno_formats::gguf::{Head, TensorType, Value as Metadata};
use inferno_tests::{Finished, TestContext, build};
use serde_json::{Value, json};

/// Where users work: not in their home, in which the host has files of its own.
fn folder(context: &TestContext) -> PathBuf {
    let folder = context.home().join("work");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn command(context: &TestContext, args: &[&str]) -> Command {
    let mut command = context.command(args);
    command.current_dir(folder(context));
    command
}

fn convert(context: &TestContext, args: &str) -> Finished {
    let args: Vec<_> = ["convert"].into_iter().chain(args.split_whitespace()).collect();
    Finished::of(&mut command(context, &args))
}

fn product(context: &TestContext, args: &str) -> String {
    let finished = convert(context, args);
    assert_eq!(finished.status, Some(0), "{args}: {finished:?}");
    finished.stdout
}

fn told(context: &TestContext, args: &str) -> Value {
    serde_json::from_str(&product(context, args)).unwrap()
}

/// Why it is refused.
fn refused(context: &TestContext, args: &str) -> String {
    let finished = convert(context, args);
    assert_eq!(finished.status, Some(1), "{args}: {finished:?}");
    assert!(finished.stderr.starts_with("error: "), "{args}: {finished:?}");
    finished.stderr
}

fn read(context: &TestContext, name: &str) -> Vec<u8> {
    fs::read(folder(context).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What is in the folder, besides the model that was put there.
fn names(context: &TestContext) -> Vec<String> {
    let listed = fs::read_dir(folder(context)).unwrap();
    let mut names: Vec<_> = listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A user with the demo model, as it is and as F32.
fn user() -> TestContext {
    let context = TestContext::new();
    fs::copy(
        build::root().join("examples/storyteller/storyteller.gguf"),
        folder(&context).join("story.gguf"),
    )
    .unwrap();
    product(&context, "model story.gguf f32.gguf --quantize F32 --requantize");
    context
}

/// A model of random numbers with so many layers, in F32: 4.3 MB each.
fn random(layers: u32) -> Vec<u8> {
    let mut head = Head::new();
    head.set("general.architecture", Metadata::Text("llama".to_owned()));
    for (key, number) in
        [("block_count", layers), ("attention.head_count", 4), ("attention.head_count_kv", 2)]
    {
        head.set(format!("llama.{key}"), Metadata::U32(number));
    }
    let kind = TensorType::from_name("F32").unwrap();
    for layer in 0..layers {
        let tensors: [(&str, &[u64]); 4] = [
            ("attn_norm", &[512]),
            ("attn_q", &[512, 512]),
            ("ffn_up", &[512, 800]),
            ("ffn_down", &[768, 512]),
        ];
        for (name, shape) in tensors {
            head.add(format!("blk.{layer}.{name}.weight"), shape, kind).unwrap();
        }
    }
    let mut file = head.to_bytes().unwrap();
    let (start, mut state) = (file.len(), 1_u32);
    for _ in 0..head.data_bytes() / 4 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let number = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
        file.extend(number.to_le_bytes());
    }
    assert_eq!(file.len() - start, head.data_bytes() as usize);
    file
}

#[test]
fn what_is_quantized_runs_and_says_how_it_came_to_be() {
    let context = user();
    // Nothing was lost on the way to F32, and the same is found again on the way back.
    let compared = told(&context, "verify story.gguf f32.gguf --json");
    assert_eq!(compared["alike"], true, "{compared}");
    product(&context, "quantize f32.gguf q8.gguf Q8_0");
    assert_eq!(told(&context, "verify story.gguf q8.gguf --json")["alike"], true);
    let done = told(&context, "quantize f32.gguf small.gguf Q4_K_M --json");
    let differs = convert(&context, "verify f32.gguf small.gguf");
    assert_eq!(differs.status, Some(1), "{differs:?}");
    assert!(differs.stdout.contains("differs") && differs.stdout.contains("Q4_K"), "{differs:?}");
    product(&context, "verify f32.gguf small.gguf --tolerance 0.15");

    let recipe: Value = serde_json::from_slice(&read(&context, "small.gguf.recipe.json")).unwrap();
    assert_eq!(recipe, done["recipe"]);
    assert_eq!(
        (&recipe["from"], &recipe["to"], &recipe["choices"]),
        (&json!("gguf"), &json!("gguf"), &json!({ "quantize": "Q4_K_M" }))
    );
    for (name, told) in [("f32.gguf", &recipe["inputs"][0]), ("small.gguf", &recipe["outputs"][0])] {
        let summed = Command::new("sha256sum").arg(folder(&context).join(name)).output().unwrap();
        let summed = String::from_utf8(summed.stdout).unwrap();
        assert_eq!((told["file"].as_str(), told["sha256"].as_str()), (Some(name), summed.split(' ').next()));
    }
    for model in ["./q8.gguf", "./small.gguf"] {
        let args = [
            "run",
            "--model",
            model,
            "-p",
            "Tell me a story about a fox.",
            "--max-tokens",
            "30",
            "--seed",
            "1",
        ];
        let finished = Finished::of(&mut command(&context, &args));
        assert_eq!(finished.status, Some(0), "{finished:?}");
        assert!(finished.stdout.split_whitespace().count() > 10, "{model}: {finished:?}");
    }
}

#[test]
fn plans_and_headers_are_shown_and_nothing_is_written() {
    let context = user();
    let before = names(&context);
    let plan = told(&context, "plan f32.gguf small.gguf --quantize Q4_K_M --tensor-type attn_k=F16 --json");
    let tensors = plan["outputs"][0]["tensors"].as_array().unwrap();
    let types: BTreeMap<_, _> =
        tensors.iter().map(|t| (t["name"].as_str().unwrap(), t["to"].as_str().unwrap())).collect();
    assert_eq!((types["blk.0.attn_k.weight"], types["blk.0.attn_q.weight"]), ("F16", "Q4_K"));
    assert!(product(&context, "plan f32.gguf small.gguf --quantize Q4_K_M").contains("in 8 sandboxes"));
    let shown = told(&context, "inspect f32.gguf --json");
    assert_eq!(shown["metadata"]["general.architecture"], "llama");
    assert_eq!(
        (shown["tensors"].as_array().unwrap().len(), &shown["tensors"][0]["type"]),
        (tensors.len(), &json!("F32"))
    );
    assert!(product(&context, "inspect story.gguf").contains("Q8_0"));
    assert!(product(&context, "routes").contains("gguf to gguf  convert"));
    assert_eq!(names(&context), before);
    // What the plan says comes true.
    product(&context, "quantize f32.gguf small.gguf Q4_K_M --tensor-type attn_k=F16");
    assert_eq!(read(&context, "small.gguf").len() as u64, plan["outputs"][0]["bytes"].as_u64().unwrap());
}

#[test]
fn a_model_becomes_several_files_and_one_again() {
    let context = user();
    product(&context, "model f32.gguf whole.gguf --metadata general.name=Other");
    product(&context, "model f32.gguf parts.gguf --split 3MB --metadata general.name=Other");
    let parts: Vec<_> = names(&context).into_iter().filter(|name| name.starts_with("parts-0")).collect();
    assert!(parts.len() >= 3 && parts[0].ends_with(&format!("-of-{:05}.gguf", parts.len())), "{parts:?}");
    assert_eq!(
        told(&context, &format!("inspect {} --json", parts[0]))["metadata"]["split.count"],
        parts.len()
    );
    product(&context, &format!("model {} again.gguf", parts[0]));
    assert!(read(&context, "again.gguf") == read(&context, "whole.gguf"));
    assert_eq!(told(&context, "inspect again.gguf --json")["metadata"]["general.name"], "Other");
    let args = ["run", "--model", &format!("./{}", parts[0]), "-p", "Once", "--max-tokens", "5"];
    let finished = Finished::of(&mut command(&context, &args));
    assert_eq!(finished.status, Some(0), "{finished:?}");
    fs::remove_file(folder(&context).join(&parts[1])).unwrap();
    assert!(refused(&context, &format!("model {} more.gguf", parts[0])).contains(&parts[1]));
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing_behind() {
    let context = user();
    fs::write(folder(&context).join("net.onnx"), "graph").unwrap();
    fs::write(folder(&context).join("notes.txt"), "words").unwrap();
    fs::write(folder(&context).join("mine.gguf"), "mine").unwrap();
    fs::write(context.home().join("outside.gguf"), "").unwrap();
    let before = names(&context);
    for (args, words) in [
        ("quantize story.gguf new.gguf Q4_0", "Q8_0 already"),
        (
            "quantize f32.gguf mine.gguf Q8_0",
            "mine.gguf is there already; choose another name, or add --force",
        ),
        ("quantize f32.gguf f32.gguf Q8_0 --force", "is what is read, and cannot be what is written"),
        ("quantize f32.gguf ./../work/f32.gguf Q8_0 --force", "is what is read"),
        ("quantize f32.gguf new.gguf Q9", "there is no type \"Q9\"; those that there are: F32, F16"),
        ("quantize none.gguf new.gguf Q8_0", "cannot read none.gguf"),
        ("quantize notes.txt new.gguf Q8_0", "in no format that is known"),
        ("quantize ../outside.gguf new.gguf Q8_0", "outside of the folder in which this is run"),
        ("quantize f32.gguf /tmp/new.gguf Q8_0", "run it in a folder that holds both"),
        ("model net.onnx new.gguf", "there is no way back from ONNX to gguf"),
        (
            "model f32.gguf new.bin --format tflite",
            "no way from gguf to tflite; those that there are: gguf to gguf",
        ),
        ("model f32.gguf new.gguf --split 0", "\"0\" is no size"),
        ("model f32.gguf new.gguf --metadata general.file_type=x", "\"x\" is not"),
        ("model f32.gguf new.gguf --pure", "add --quantize TYPE"),
        ("batch --pattern none*.gguf --out out", "nothing fits"),
    ] {
        let why = refused(&context, args);
        assert!(why.contains(words), "{args}: {words:?} is not in {why}");
    }
    assert_eq!(names(&context), before);
    assert_eq!(read(&context, "mine.gguf"), b"mine");
    product(&context, "quantize f32.gguf mine.gguf Q8_0 --force");
    assert!(read(&context, "mine.gguf").len() > 1_000_000);
}

#[test]
fn a_batch_goes_on_after_a_model_that_fails() {
    let context = user();
    fs::write(folder(&context).join("bad.gguf"), b"GGUF and nothing more").unwrap();
    let finished = convert(&context, "batch --pattern *.gguf --out done --quantize Q8_0 --requantize");
    assert_eq!(finished.status, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("error: bad.gguf: "), "{finished:?}");
    assert_eq!(finished.stdout, "f32.gguf -> done/f32.gguf\nstory.gguf -> done/story.gguf\n");
    product(&context, "verify done/f32.gguf done/story.gguf");
}

#[test]
fn a_model_of_hugging_face_is_made_and_read_back() {
    let context = user();
    product(&context, "model f32.gguf folder --format safetensors");
    assert!(names(&context).contains(&"folder".to_owned()));
    product(&context, "model folder back.gguf --quantize F32");
    product(&context, "verify f32.gguf back.gguf");
    let why = refused(&context, "model folder small.gguf --quantize Q4_K_M");
    assert!(why.contains("F32, F16, BF16 or Q8_0, not Q4_K_M"), "{why}");
    assert!(refused(&context, "model f32.gguf folder --format safetensors").contains("is there already"));
    product(&context, "model f32.gguf folder --format safetensors --quantize F16 --force");
    assert!(told(&context, "inspect folder --json")["tensors"].to_string().contains("F16"));
}

#[test]
fn converters_of_other_plugins_are_used_where_they_fit() {
    let context = user();
    let manifest = "[plugin]\nname = 'roles'\nversion = '0.1.0'\ndescription = 'x'\nlicense = 'MIT'\nwit = '0.1'\n[roles.converter]\n";
    context.install_plugin("roles", manifest, &build::plugin("inferno-guest-roles", "inferno_guest_roles"));
    fs::write(folder(&context).join("model.txt"), "small words").unwrap();
    let before = names(&context);
    assert!(product(&context, "routes").contains("text to upper  roles\n"));
    for (args, words) in [
        ("model model.txt big.txt --format upper", "say its format with --from"),
        (
            "model model.txt big.txt --from text --format lower",
            "gguf to onnx, gguf to safetensors, hf to gguf, text to upper",
        ),
        (
            "model model.txt big.txt --from text --format upper --quantize Q8_0",
            "knows nothing of what was chosen",
        ),
        (
            "model model.txt big.txt --from text --format upper --options \"panic\"",
            "plugin \"roles\" crashed",
        ),
        ("model f32.gguf new.gguf --options {}", "this plugin converts these formats itself"),
    ] {
        let why = refused(&context, args);
        assert!(why.contains(words), "{args}: {words:?} is not in {why}");
    }
    assert_eq!(names(&context), before);
    product(&context, "model model.txt big.txt --from text --format upper");
    assert_eq!(read(&context, "big.txt"), b"SMALL WORDS");
}

#[test]
fn whoever_has_it_convert_gets_what_people_get() {
    let context = user();
    product(&context, "quantize f32.gguf people.gguf Q8_0");
    fs::create_dir(folder(&context).join("in")).unwrap();
    fs::rename(folder(&context).join("f32.gguf"), folder(&context).join("in/f32.gguf")).unwrap();
    let call = |options: Value| {
        let input = json!({
            "route": { "source": "gguf", "target": "gguf" }, "options": options, "in": "in", "out": "out",
        });
        fs::write(folder(&context).join("call.json"), input.to_string()).unwrap();
        let args = ["plugin", "call", "convert", "--role", "converter", "--input", "call.json"];
        Finished::of(&mut command(&context, &args))
    };
    let done = call(json!({ "quantize": "Q8_0", "name": "plugins.gguf" }));
    assert_eq!(done.status, Some(0), "{done:?}");
    assert!(done.stdout.contains("plugins.gguf"), "{done:?}");
    assert!(read(&context, "out/plugins.gguf") == read(&context, "people.gguf"));
    for options in
        [json!({ "quantise": "Q8_0" }), json!({ "name": "../x.gguf" }), json!({ "model": "none.gguf" })]
    {
        let refused = call(options.clone());
        assert_eq!(refused.status, Some(1), "{options}: {refused:?}");
    }
}

/// A header with something wrong, and what is said about it.
fn damaged(whole: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let change = |at: usize, bytes: &[u8]| {
        let mut file = whole.to_vec();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    // Where the list of tensors has the first one: its dimensions, then its type, then its offset.
    let name = b"blk.0.attn_q.weight";
    let after = whole.windows(name.len()).position(|found| found == name).unwrap() + name.len();
    let (shape, kind, offset) = (after + 4, after + 20, after + 24);
    vec![
        ("cut in the header", whole[..200].to_vec()),
        ("cut in the tensors", whole[..whole.len() - 4096].to_vec()),
        ("more metadata than there is", change(16, &u64::MAX.to_le_bytes())),
        ("more tensors than there are", change(8, &u64::MAX.to_le_bytes())),
        ("a version of tomorrow", change(4, &99_u32.to_le_bytes())),
        ("a shape beyond every file", change(shape, &(u64::MAX / 4).to_le_bytes())),
        ("more rows than there are", change(shape + 8, &(1_u64 << 40).to_le_bytes())),
        ("a type that is none", change(kind, &200_u32.to_le_bytes())),
        ("another type", change(kind, &24_u32.to_le_bytes())),
        ("an offset in another tensor", change(offset, &0_u64.to_le_bytes())),
        ("an offset beyond the file", change(offset, &(1_u64 << 50).to_le_bytes())),
        ("numbers that are none", {
            let end = whole.len();
            change(end - 4000, &f32::NAN.to_le_bytes())
        }),
    ]
}

#[test]
fn files_that_lie_leave_no_result() {
    let context = TestContext::new();
    for (what, file) in damaged(&random(1)) {
        fs::write(folder(&context).join("bad.gguf"), file).unwrap();
        let why = refused(&context, "quantize bad.gguf new.gguf Q8_0");
        assert!(!why.contains("crashed") && !why.contains("memory"), "{what}: {why}");
        assert_eq!(names(&context), ["bad.gguf"], "{what}");
    }
}

/// `INFERNO_TEST_KILLS` says how often.
#[test]
fn killed_at_random_moments_it_goes_on_and_comes_to_the_same() {
    let kills: u32 = std::env::var("INFERNO_TEST_KILLS").map_or(20, |kills| kills.parse().unwrap());
    let context = TestContext::new();
    fs::write(folder(&context).join("big.gguf"), random(16)).unwrap();
    let quantize = ["convert", "quantize", "big.gguf", "new.gguf", "Q4_K_M", "--jobs", "2"];
    let began = Instant::now();
    product(&context, &quantize[1..].join(" "));
    let whole = began.elapsed();
    let expected = ["new.gguf", "new.gguf.recipe.json"].map(|name| read(&context, name));
    let check = || {
        for (name, expected) in ["new.gguf", "new.gguf.recipe.json"].iter().zip(&expected) {
            assert!(read(&context, name) == *expected, "{name} differs");
            fs::remove_file(folder(&context).join(name)).unwrap();
        }
        assert_eq!(names(&context), ["big.gguf"]);
    };
    check();
    let (mut state, mut killed, mut finished, mut resumed) = (7_u64, 0, 0, 0);
    while killed < kills {
        let mut command = command(&context, &quantize);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = f64::from((state >> 40) as u32) / f64::from(1 << 24);
        std::thread::sleep(Duration::from_secs_f64(share * whole.as_secs_f64()));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            killed += 1;
        }
        let done = child.wait_with_output().unwrap();
        resumed += u32::from(String::from_utf8_lossy(&done.stderr).contains("going on with"));
        // Killed when it had its name, it may not have said so.
        if folder(&context).join("new.gguf").exists() {
            let again = convert(&context, &quantize[1..].join(" "));
            assert!(again.status == Some(0) || again.stderr.contains("is there already"), "{again:?}");
            check();
            finished += 1;
        }
    }
    product(&context, &quantize[1..].join(" "));
    check();
    println!("killed {killed} times, resumed {resumed} times, finished {finished} times");
    assert!(resumed > 0, "it was always begun anew");
    // What was begun for another model is not gone on with.
    let half = |args: &[&str]| {
        let mut child = command(&context, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let journal = folder(&context).join(".new.gguf.convert/journal");
        inferno_tests::within("nothing was done", || {
            (fs::read_to_string(&journal).ok()?.lines().count() > 1).then_some(())
        });
        child.kill().unwrap();
        child.wait().unwrap();
    };
    half(&quantize);
    fs::write(folder(&context).join("big.gguf"), random(15)).unwrap();
    let other = convert(&context, &quantize[1..].join(" "));
    assert!(other.status == Some(0) && !other.stderr.contains("going on with"), "{other:?}");
    assert!(read(&context, "new.gguf") != expected[0]);
}
