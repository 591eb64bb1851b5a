//! What ONNX Runtime computes on: its execution providers.

use inferno_backend::{Device, Error};
use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};

use crate::runtime::{self, Runtime};

/// A provider, by the name that settings use.
struct Provider {
    name: &'static str,
    available: fn() -> ort::Result<bool>,
    build: fn() -> ExecutionProviderDispatch,
    /// It is taken where nobody chose, if it is there.
    usual: bool,
}

macro_rules! provider {
    ($name:literal, $type:ty, $usual:literal) => {
        Provider {
            name: $name,
            available: <$type>::is_available,
            build: || <$type>::default().build(),
            usual: $usual,
        }
    };
}

const PROVIDERS: &[Provider] = &[
    provider!("TensorRT", ep::TensorRT, false),
    provider!("CUDA", ep::CUDA, true),
    provider!("MIGraphX", ep::MIGraphX, true),
    provider!("CoreML", ep::CoreML, false),
    provider!("OpenVINO", ep::OpenVINO, false),
    provider!("XNNPACK", ep::XNNPACK, false),
    provider!("CPU", ep::CPU, true),
];

impl Provider {
    fn is_there(&self) -> bool {
        (self.available)().unwrap_or(false)
    }
}

/// What a runtime that is open offers.
pub(crate) fn devices(runtime: &Runtime) -> Vec<Device> {
    let there = PROVIDERS.iter().filter(|provider| provider.is_there());
    there
        .map(|provider| Device {
            name: provider.name.to_owned(),
            description: format!("ONNX Runtime {} of {}", runtime.version, runtime.path.display()),
            memory: 0,
        })
        .collect()
}

/// The providers for a session, and what to call them.
pub(crate) fn chosen(names: &[String]) -> Result<(Vec<ExecutionProviderDispatch>, String), Error> {
    runtime::open()?;
    if names.is_empty() {
        let usual: Vec<&Provider> =
            PROVIDERS.iter().filter(|provider| provider.usual && provider.is_there()).collect();
        let first = usual.first().map_or("CPU", |provider| provider.name);
        let built = usual.iter().map(|provider| (provider.build)().fail_silently()).collect();
        return Ok((built, first.to_owned()));
    }
    let mut built = Vec::new();
    for name in names {
        let known = PROVIDERS.iter().find(|provider| provider.name.eq_ignore_ascii_case(name));
        let Some(provider) = known.filter(|provider| provider.is_there()) else {
            let there: Vec<&str> = PROVIDERS
                .iter()
                .filter(|provider| provider.is_there())
                .map(|provider| provider.name)
                .collect();
            return Err(Error::invalid(format!("ONNX Runtime has no execution provider {name:?} here"))
                .hint(format!("set onnx.providers to some of: {}", there.join(", "))));
        };
        built.push((provider.build)().error_on_failure());
    }
    Ok((built, names.join(", ")))
}
