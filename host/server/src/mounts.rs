//! Which plugin a path belongs to. Paths are compared segment by segment after percent-decoding, so that no spelling
//! of a path reaches another plugin, or other rules, than its plain spelling does.

use std::sync::Arc;

use percent::decode;

use crate::Error;
use crate::handler::Handler;
use crate::own::Own;

/// Why a path is refused before it is compared with anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPath {
    #[error("the path has an empty segment (`//`)")]
    Empty,
    #[error("the path has a `.` or `..` segment")]
    Dots,
    #[error("the path has a `%` that is not followed by two hexadecimal digits, or that encodes a NUL byte")]
    Escape,
    #[error("the path does not begin with `/`")]
    Relative,
}

/// A path as its decoded segments. An encoded slash stays inside its segment; a slash at the end changes nothing.
pub(crate) fn segments(path: &str) -> Result<Vec<Vec<u8>>, BadPath> {
    let path = path.strip_prefix('/').ok_or(BadPath::Relative)?;
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').map(segment).collect()
}

fn segment(text: &str) -> Result<Vec<u8>, BadPath> {
    if text.is_empty() {
        return Err(BadPath::Empty);
    }
    let bytes = decode(text.as_bytes()).ok_or(BadPath::Escape)?;
    if bytes.contains(&0) {
        return Err(BadPath::Escape);
    }
    let climbs = |part: &[u8]| part == b"." || part == b"..";
    if bytes.split(|byte| matches!(byte, b'/' | b'\\')).any(climbs) {
        return Err(BadPath::Dots);
    }
    Ok(bytes)
}

mod percent {
    /// The bytes that a percent-encoded text stands for; none where an escape is malformed.
    pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.iter();
        while let Some(&byte) = rest.next() {
            if byte == b'%' {
                bytes.push(digit(rest.next()?)? << 4 | digit(rest.next()?)?);
            } else {
                bytes.push(byte);
            }
        }
        Some(bytes)
    }

    fn digit(byte: &u8) -> Option<u8> {
        let value = char::from(*byte).to_digit(16)?;
        u8::try_from(value).ok()
    }
}

/// A path, and who answers there and below.
pub(crate) struct Mount {
    pub(crate) path: Arc<str>,
    segments: Vec<Vec<u8>>,
    /// Nothing below it is meant.
    exact: bool,
    pub(crate) handler: Arc<dyn Handler>,
    /// The paths at which it speaks over WebSockets.
    websockets: Vec<Vec<Vec<u8>>>,
}

impl Mount {
    fn covers(&self, path: &[Vec<u8>]) -> bool {
        if self.exact { path == self.segments } else { path.starts_with(&self.segments) }
    }

    /// Whether there are WebSockets at this very path.
    pub(crate) fn has_websocket(&self, path: &[Vec<u8>]) -> bool {
        self.websockets.iter().any(|websocket| websocket == path)
    }
}

/// All mounts, the longest first, and of one path that which has also what is below it.
pub(crate) struct Mounts(Vec<Mount>);

impl Mounts {
    /// `problem` decides whether a mount that cannot be is left out or is the end of it.
    pub(crate) fn new(
        handlers: Vec<Arc<dyn Handler>>,
        mut problem: impl FnMut(Error) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut mounts: Vec<Mount> = Vec::new();
        for handler in handlers {
            let below = handler.mounts().into_iter().map(|path| (path, false));
            let exact = handler.exact().into_iter().map(|path| (path, true));
            for (path, exact) in below.chain(exact) {
                match free(&mounts, mount(path, exact, &handler)) {
                    Ok(mount) => mounts.push(mount),
                    Err(error) => problem(error)?,
                }
            }
        }
        mounts.sort_by_key(|mount| (std::cmp::Reverse(mount.segments.len()), mount.exact));
        Ok(Self(mounts))
    }

    /// The longest mount that the path lies under.
    pub(crate) fn find(&self, path: &[Vec<u8>]) -> Option<&Mount> {
        self.0.iter().find(|mount| mount.covers(path))
    }

    /// Whose words a refusal at a path that was not understood is put in: those of the mount that it is spelled under.
    pub(crate) fn spelled_under(&self, path: &str) -> Option<&Arc<dyn Handler>> {
        let under = |mount: &&Mount| {
            let rest = path.strip_prefix(&*mount.path);
            rest.is_some_and(|rest| rest.is_empty() || (rest.starts_with('/') && !mount.exact))
        };
        self.0.iter().find(under).map(|mount| &mount.handler)
    }

    /// For a message: where something is mounted.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|mount| &*mount.path)
    }
}

/// The mount, if nobody else is there.
fn free(mounts: &[Mount], mount: Result<Mount, Error>) -> Result<Mount, Error> {
    let mount = mount?;
    let same = |other: &&Mount| other.segments == mount.segments && other.exact == mount.exact;
    match mounts.iter().find(same) {
        Some(taken) => Err(Error::MountTaken {
            path: mount.path.to_string(),
            first: taken.handler.name().to_owned(),
            second: mount.handler.name().to_owned(),
        }),
        None => Ok(mount),
    }
}

fn mount(path: String, exact: bool, handler: &Arc<dyn Handler>) -> Result<Mount, Error> {
    let refuse = |path: &str, reason| Error::Mount {
        plugin: handler.name().to_owned(),
        path: path.to_owned(),
        reason,
    };
    if path.contains(['%', '?', '#', '\\']) || path.contains(|c: char| !c.is_ascii_graphic()) {
        return Err(refuse(&path, "a mount is a plain path without escapes, such as /v1"));
    }
    if path.len() > 1 && path.ends_with('/') {
        return Err(refuse(&path, "leave out the slash at the end"));
    }
    let plain = |path: &str| segments(path).map_err(|bad| refuse(path, why(bad)));
    let segments = plain(&path)?;
    if let Some(own) = segments.first().and_then(|first| Own::reserved(first)) {
        return Err(refuse(&path, own.reserves()));
    }
    let websockets = handler.websockets().iter().map(|path| plain(path)).collect::<Result<_, _>>()?;
    Ok(Mount { path: path.into(), segments, exact, handler: Arc::clone(handler), websockets })
}

fn why(bad: BadPath) -> &'static str {
    match bad {
        BadPath::Empty => "it has an empty segment",
        BadPath::Dots => "it has a `.` or `..` segment",
        BadPath::Escape => "it has an escape",
        BadPath::Relative => "it must begin with `/`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> Result<Vec<String>, BadPath> {
        Ok(segments(path)?.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect())
    }

    #[test]
    fn one_path_has_one_form() {
        assert_eq!(text("/v1/chat").unwrap(), ["v1", "chat"]);
        assert_eq!(text("/v1/chat/").unwrap(), ["v1", "chat"]);
        assert_eq!(text("/%76%31/ch%61t").unwrap(), ["v1", "chat"]);
        assert_eq!(text("/").unwrap(), Vec::<String>::new());
        assert_eq!(text("/v1/models/org%2Fname").unwrap(), ["v1", "models", "org/name"]);
        assert_eq!(text("/v1/a..b/...").unwrap(), ["v1", "a..b", "..."]);
    }

    #[test]
    fn tricks_are_refused() {
        for (path, bad) in [
            ("//v1", BadPath::Empty),
            ("/v1//chat", BadPath::Empty),
            ("/v1/chat//", BadPath::Empty),
            ("//", BadPath::Empty),
            ("/v1/../admin", BadPath::Dots),
            ("/./v1", BadPath::Dots),
            ("/v1/%2e%2E/admin", BadPath::Dots),
            ("/v1/..%2fadmin", BadPath::Dots),
            ("/v1/a%2F..%2fadmin", BadPath::Dots),
            ("/v1/..%5cadmin", BadPath::Dots),
            ("/v1/%zz", BadPath::Escape),
            ("/v1/%2", BadPath::Escape),
            ("/v1/a%00b", BadPath::Escape),
            ("v1", BadPath::Relative),
            ("*", BadPath::Relative),
        ] {
            assert_eq!(segments(path), Err(bad), "{path}");
        }
    }
}
