//! Graphics processors that this machine has, asked of their drivers. Nothing is linked: where a driver's library is
//! not there, that is the answer.

mod metal;
mod nvidia;
mod vulkan;

use libloading::Library;
use serde::Serialize;

/// A graphics processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gpu {
    /// What its driver calls it.
    pub name: String,
    /// Bytes of memory of its own, or of the machine's that it may use; absent where the driver does not say.
    pub memory: Option<u64>,
    /// The driver's version, as the driver writes it.
    pub driver: Option<String>,
}

/// What came of asking through one interface. A processor may be known to several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// `CUDA`, `Vulkan` or `Metal`.
    pub interface: &'static str,
    /// What was looked for: the libraries' names.
    pub libraries: &'static [&'static str],
    /// What was found.
    pub gpus: Vec<Gpu>,
    /// Why nothing could be found, where it is so.
    pub problem: Option<String>,
}

/// How processors are asked for through one interface.
type Ask = fn() -> Result<Vec<Gpu>, String>;

/// Looks for all kinds. This runs code of the drivers, which a library that is broken may end the process with.
pub fn probe() -> Vec<Probe> {
    const ASK: [(&str, &[&str], Ask); 3] = [
        ("CUDA", nvidia::LIBRARIES, nvidia::gpus),
        ("Vulkan", vulkan::LIBRARIES, vulkan::gpus),
        ("Metal", metal::LIBRARIES, metal::gpus),
    ];
    let asked = ASK.map(|(interface, libraries, ask)| {
        let (gpus, problem) = match ask() {
            Ok(gpus) => (gpus, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        Probe { interface, libraries, gpus, problem }
    });
    asked.into()
}

/// Opens the first of some libraries that is there.
fn open(names: &[&str]) -> Result<&'static Library, String> {
    let mut problem = String::new();
    for name in names {
        // SAFETY: these are drivers' libraries by the names that their makers gave them; opening one runs its
        // initialisers, which is what whoever asks for processors wants.
        #[expect(unsafe_code, reason = "a library can be anything")]
        match unsafe { Library::new(name) } {
            // Never closed: drivers start threads that outlive whoever asked.
            Ok(library) => return Ok(Box::leak(Box::new(library))),
            Err(error) => problem = error.to_string(),
        }
    }
    Err(problem)
}

/// A function of a library.
///
/// # Safety
///
/// `T` must be a pointer to a function of the type that the library's makers documented for this name.
#[expect(unsafe_code, reason = "the type cannot be checked")]
unsafe fn function<T: Copy>(library: &Library, name: &str) -> Result<T, String> {
    // SAFETY: the caller vouches for the type.
    unsafe { library.get::<T>(name.as_bytes()) }.map(|symbol| *symbol).map_err(|error| error.to_string())
}

/// The text in a buffer that C filled, up to its first NUL.
fn text(buffer: &[u8]) -> String {
    let end = buffer.iter().position(|byte| *byte == 0).unwrap_or(buffer.len());
    String::from_utf8_lossy(&buffer[..end]).into_owned()
}

/// A call that answers 0 where it went well.
fn check(what: &str, code: i32) -> Result<(), String> {
    if code == 0 { Ok(()) } else { Err(format!("{what} failed with code {code}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_answers_or_says_why_not() {
        let probes = probe();
        assert_eq!(
            probes.iter().map(|probe| probe.interface).collect::<Vec<_>>(),
            ["CUDA", "Vulkan", "Metal"]
        );
        for probe in probes {
            let (found, told) = (!probe.gpus.is_empty(), probe.problem.is_some());
            assert!((!found || !told) && !probe.libraries.is_empty(), "{probe:?}");
            assert!(probe.gpus.iter().all(|gpu| !gpu.name.is_empty()), "{probe:?}");
        }
    }

    #[test]
    fn a_library_that_is_not_there_is_named() {
        let error = open(&["libno-such-driver.so.1"]).map(drop).unwrap_err();
        assert!(error.contains("libno-such-driver.so.1"), "{error}");
    }

    #[test]
    fn texts_end_at_their_first_nul() {
        assert_eq!(text(b"GPU\0junk"), "GPU");
        assert_eq!(text(b"GPU"), "GPU");
    }
}
