//! What this plugin converts into what.

use inferno_sdk::Error;
use inferno_sdk::converter::Route;

use crate::fault::invalid;
use crate::given::Given;
use crate::options::Wish;
use crate::plan::Plan;
use crate::{gguf, hf, onnx};

/// A way from one format to another.
pub(crate) struct Way {
    pub(crate) source: &'static str,
    pub(crate) target: &'static str,
    /// The result is a folder with several files.
    pub(crate) folder: bool,
    /// Makes the plan; the name is that of the result.
    pub(crate) plan: fn(&Given, &Wish, &str) -> Result<Plan, Error>,
}

/// All of them.
pub(crate) const WAYS: &[Way] = &[
    Way { source: "gguf", target: "gguf", folder: false, plan: gguf::plan },
    Way { source: "gguf", target: "onnx", folder: true, plan: onnx::plan },
    Way { source: "gguf", target: "safetensors", folder: true, plan: gguf_to_safetensors },
    Way { source: "hf", target: "gguf", folder: false, plan: hf_to_gguf },
];

/// The way from one format to another.
pub(crate) fn way(source: &str, target: &str) -> Option<&'static Way> {
    WAYS.iter().find(|way| way.source == source && way.target == target)
}

/// They, as the interface has them.
pub(crate) fn all() -> Vec<Route> {
    WAYS.iter().map(|way| Route::new(way.source, way.target)).collect()
}

/// There is no way; `others` are those that other plugins know.
pub(crate) fn none(source: &str, target: &str, others: &[Route]) -> Error {
    if source == "onnx" {
        return invalid(format!("there is no way back from ONNX to {target}: an ONNX file holds a graph of operators in which the \
            model's structure is no longer to be recognized; its weights were renamed, merged and folded into constants"))
            .with_hint("convert from what the ONNX file was exported from");
    }
    let ways = all().into_iter().chain(others.iter().cloned());
    let mut ways: Vec<_> = ways.map(|route| format!("{} to {}", route.source, route.target)).collect();
    ways.dedup();
    invalid(format!("there is no way from {source} to {target}"))
        .with_hint(format!("those that there are: {}", ways.join(", ")))
}

fn hf_to_gguf(given: &Given, wish: &Wish, name: &str) -> Result<Plan, Error> {
    plain(wish)?;
    let two_steps = "convert it to F16 or F32 first, and quantize that: `inferno convert quantize`";
    let packing = outtype(wish, "a model of Hugging Face becomes F32, F16, BF16 or Q8_0", two_steps)?;
    let options =
        hf::Options { output: name.to_owned(), packing, name: None, metadata: wish.metadata.clone() };
    hf::plan(&given.folder, &options).map_err(|error| invalid(error.to_string()))
}

fn gguf_to_safetensors(given: &Given, wish: &Wish, _name: &str) -> Result<Plan, Error> {
    plain(wish)?;
    no_metadata(wish)?;
    let packing = outtype(wish, "safetensors have F32, F16 or BF16", "choose one of these")?;
    let options = hf::BackOptions { output: String::new(), packing };
    hf::back(&given.folder, &given.files()?, &options).map_err(|error| invalid(error.to_string()))
}

fn outtype(wish: &Wish, what: &str, hint: &str) -> Result<hf::Outtype, Error> {
    let Some(file_type) = wish.file_type else { return Ok(hf::Outtype::Auto) };
    hf::Outtype::from_name(file_type.name())
        .ok_or_else(|| invalid(format!("{what}, not {}", file_type.name())).with_hint(hint))
}

/// What only the way from GGUF to GGUF can do was not asked for.
fn plain(wish: &Wish) -> Result<(), Error> {
    if wish.split.is_some() || wish.chooses_tensors() {
        return Err(invalid(
            "--split, --tensor-type, --pure and --keep-output are for conversions from GGUF to GGUF",
        )
        .with_hint("convert the model to GGUF first, and that to what is wanted"));
    }
    Ok(())
}

fn no_metadata(wish: &Wish) -> Result<(), Error> {
    if wish.metadata.is_empty() {
        Ok(())
    } else {
        Err(invalid("--metadata is for results in GGUF, which have metadata"))
    }
}
