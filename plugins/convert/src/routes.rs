//! What this plugin converts into what.

use inferno_sdk::Error;
use inferno_sdk::converter::Route;

use crate::fault::invalid;
use crate::gguf;
use crate::given::Given;
use crate::options::Wish;
use crate::plan::Plan;

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
pub(crate) const WAYS: &[Way] = &[Way { source: "gguf", target: "gguf", folder: false, plan: gguf::plan }];

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
