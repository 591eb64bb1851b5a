//! The types that a key can have: how each is read, what it expects, how it is shown.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use inferno_inference::{Compression, KeepAlive};
use inferno_sandbox::{Size, Span};
use serde_json::Value;

/// A value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    /// From the command line or a variable, where everything is text.
    Words(String),
    /// A TOML string.
    Text(String),
    /// A TOML integer.
    Integer(i64),
    /// A TOML boolean.
    Boolean(bool),
    /// Any other TOML value, by the name of its type and as written.
    Other(&'static str),
}

impl Raw {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Words(text) | Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn integer(&self) -> Option<u64> {
        match self {
            Self::Words(text) => text.parse().ok(),
            Self::Integer(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// For "found ...".
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Words(text) => format!("`{text}`"),
            Self::Text(text) => format!("the string {text:?}"),
            Self::Integer(value) => format!("the integer {value}"),
            Self::Boolean(value) => format!("`{value}`"),
            Self::Other(kind) => format!("a value of type {kind}"),
        }
    }
}

/// What relative paths are relative to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) base: &'a Path,
    pub(super) home: &'a Path,
}

/// A type of a key.
pub(super) trait Setting: Sized {
    /// "a whole number of at least 1"; follows "must be" and "expects".
    const EXPECTED: &'static str;
    fn read(raw: &Raw, place: Place<'_>) -> Option<Self>;
    fn show(&self) -> Value;
}

impl Setting for PathBuf {
    const EXPECTED: &'static str = "a path (`~/` is the home directory)";

    fn read(raw: &Raw, place: Place<'_>) -> Option<Self> {
        let text = raw.text().filter(|text| !text.is_empty() && !text.contains('\0'))?;
        Some(match text.strip_prefix("~/") {
            Some(rest) => place.home.join(rest),
            None if text == "~" => place.home.to_owned(),
            None => place.base.join(text),
        })
    }

    fn show(&self) -> Value {
        self.to_string_lossy().into()
    }
}

impl Setting for Option<PathBuf> {
    const EXPECTED: &'static str = <PathBuf as Setting>::EXPECTED;

    fn read(raw: &Raw, place: Place<'_>) -> Option<Self> {
        PathBuf::read(raw, place).map(Some)
    }

    fn show(&self) -> Value {
        self.as_ref().map_or(Value::Null, Setting::show)
    }
}

impl Setting for Option<String> {
    const EXPECTED: &'static str = "a text that is not empty";

    fn read(raw: &Raw, _: Place<'_>) -> Option<Self> {
        raw.text().filter(|text| !text.is_empty()).map(|text| Some(text.to_owned()))
    }

    fn show(&self) -> Value {
        self.clone().into()
    }
}

impl Setting for IpAddr {
    const EXPECTED: &'static str = "an IP address such as 127.0.0.1, or localhost";

    fn read(raw: &Raw, _: Place<'_>) -> Option<Self> {
        match raw.text()? {
            "localhost" => Some(Self::V4(Ipv4Addr::LOCALHOST)),
            text => text.parse().ok(),
        }
    }

    fn show(&self) -> Value {
        self.to_string().into()
    }
}

impl Setting for u16 {
    const EXPECTED: &'static str = "a port from 0 to 65535 (0: any free one)";

    fn read(raw: &Raw, _: Place<'_>) -> Option<Self> {
        Self::try_from(raw.integer()?).ok()
    }

    fn show(&self) -> Value {
        (*self).into()
    }
}

macro_rules! count {
    ($type:ty) => {
        impl Setting for $type {
            const EXPECTED: &'static str = "a whole number of at least 1";

            fn read(raw: &Raw, _: Place<'_>) -> Option<Self> {
                Self::try_from(raw.integer()?).ok().filter(|count| *count > 0)
            }

            fn show(&self) -> Value {
                (*self).into()
            }
        }
    };
}
count!(u32);
count!(u64);
count!(usize);

/// Names in an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names(pub(crate) Vec<String>);

impl Setting for Names {
    const EXPECTED: &'static str = "names with commas between them";

    fn read(raw: &Raw, _: Place<'_>) -> Option<Self> {
        let names = raw.text()?.split(',').map(str::trim).filter(|name| !name.is_empty());
        Some(Self(names.map(str::to_owned).collect()))
    }

    fn show(&self) -> Value {
        self.0.join(", ").into()
    }
}

/// A number that is chosen where none is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Auto(pub(crate) Option<u32>);

impl Setting for Auto {
    const EXPECTED: &'static str = "a whole number of at least 1, or \"auto\"";

    fn read(raw: &Raw, place: Place<'_>) -> Option<Self> {
        if raw.text() == Some("auto") {
            return Some(Self(None));
        }
        u32::read(raw, place).map(|count| Self(Some(count)))
    }

    fn show(&self) -> Value {
        self.0.map_or_else(|| "auto".into(), Value::from)
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(raw: &Raw, _: Place<'_>) -> Option<Self> {
        match raw {
            Raw::Boolean(value) => Some(*value),
            Raw::Words(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn show(&self) -> Value {
        (*self).into()
    }
}

/// A size that is chosen where none is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AutoSize(pub(crate) Option<Size>);

impl Setting for AutoSize {
    const EXPECTED: &'static str = "a size such as \"8GiB\" (B, KiB, MiB or GiB), or \"auto\"";

    fn read(raw: &Raw, place: Place<'_>) -> Option<Self> {
        if raw.text() == Some("auto") {
            return Some(Self(None));
        }
        Size::read(raw, place).map(|size| Self(Some(size)))
    }

    fn show(&self) -> Value {
        self.0.map_or_else(|| "auto".into(), |size| size.show())
    }
}

/// How long something stays that nobody uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keep(pub(crate) KeepAlive);

impl Setting for Keep {
    const EXPECTED: &'static str = "a time such as \"30m\" (ms, s, m or h), 0 (not at all) or \"forever\"";

    fn read(raw: &Raw, place: Place<'_>) -> Option<Self> {
        let keep = match (raw, raw.text()) {
            (_, Some("forever")) => KeepAlive::Forever,
            (Raw::Integer(0), _) | (_, Some("0")) => KeepAlive::For(Duration::ZERO),
            // As other programs write it.
            (Raw::Integer(..0), _) => KeepAlive::Forever,
            (_, Some(text)) if text.starts_with('-') && text.parse::<i64>().is_ok() => KeepAlive::Forever,
            _ => KeepAlive::For(Span::read(raw, place)?.0),
        };
        Some(Self(keep))
    }

    fn show(&self) -> Value {
        match self.0 {
            KeepAlive::Forever => "forever".into(),
            KeepAlive::For(Duration::ZERO) => 0.into(),
            KeepAlive::For(time) => Span(time).show(),
        }
    }
}

impl Setting for Size {
    const EXPECTED: &'static str = "a size such as \"8MiB\" (B, KiB, MiB or GiB)";

    fn read(raw: &Raw, _: Place<'_>) -> Option<Self> {
        raw.text()?.parse().ok().filter(|size: &Self| size.0 > 0)
    }

    fn show(&self) -> Value {
        self.to_string().into()
    }
}

impl Setting for Span {
    const EXPECTED: &'static str = "a time such as \"30s\" (ms, s, m or h)";

    fn read(raw: &Raw, _: Place<'_>) -> Option<Self> {
        raw.text()?.parse().ok().filter(|span: &Self| !span.0.is_zero())
    }

    fn show(&self) -> Value {
        self.to_string().into()
    }
}

/// A time, or none: [`Span::FOREVER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpanOrNone(pub(crate) Span);

impl Setting for SpanOrNone {
    const EXPECTED: &'static str = "a time such as \"30s\" (ms, s, m or h) or \"none\"";

    fn read(raw: &Raw, place: Place<'_>) -> Option<Self> {
        let span = if raw.text() == Some("none") { Some(Span::FOREVER) } else { Span::read(raw, place) };
        span.map(Self)
    }

    fn show(&self) -> Value {
        self.0.show()
    }
}

/// A number, or none: the largest there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CountOrNone(pub(crate) u64);

impl Setting for CountOrNone {
    const EXPECTED: &'static str = "a whole number of at least 1 or \"none\"";

    fn read(raw: &Raw, place: Place<'_>) -> Option<Self> {
        let count = if raw.text() == Some("none") { Some(u64::MAX) } else { u64::read(raw, place) };
        count.map(Self)
    }

    fn show(&self) -> Value {
        if self.0 == u64::MAX { "none".into() } else { self.0.into() }
    }
}

macro_rules! choice {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ } expected $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
        pub(crate) enum $type { $($(#[$variant_doc])* $variant,)+ }

        impl $type {
            /// As it is written.
            pub(crate) fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl Setting for $type {
            const EXPECTED: &'static str = $expected;

            fn read(raw: &Raw, _: Place<'_>) -> Option<Self> {
                match raw.text()? { $($word => Some(Self::$variant),)+ _ => None }
            }

            fn show(&self) -> Value {
                self.word().into()
            }
        }
    };
}

choice! {
    /// How much is logged.
    LogLevel {
        /// Nothing.
        Off = "off",
        /// What failed.
        Error = "error",
        /// What is not right, too.
        Warn = "warn",
        /// What happens, such as requests.
        Info = "info",
        /// Details.
        Debug = "debug",
        /// Everything, of libraries too.
        Trace = "trace",
    }
    expected "off, error, warn, info, debug or trace"
}

choice! {
    /// Who may see `/metrics`.
    Metrics {
        /// Whoever has a key of the default tenant.
        Key = "key",
        /// So too whoever asks from this machine.
        Loopback = "loopback",
        /// Everybody.
        Anyone = "anyone",
        /// Nobody.
        Off = "off",
    }
    expected "key, loopback, anyone or off"
}

impl From<Metrics> for inferno_server::MetricsAccess {
    fn from(metrics: Metrics) -> Self {
        match metrics {
            Metrics::Key => Self::Key,
            Metrics::Loopback => Self::Loopback,
            Metrics::Anyone => Self::Anyone,
            Metrics::Off => Self::Off,
        }
    }
}

choice! {
    /// How the log looks.
    LogFormat {
        /// Several lines an event, for people.
        Pretty = "pretty",
        /// One line an event, for people.
        Compact = "compact",
        /// One JSON object a line, for programs.
        Json = "json",
    }
    expected "pretty, compact or json"
}

choice! {
    /// How what is kept of prompts is packed.
    Packing {
        /// Fast and small.
        Zstd = "zstd",
        /// Read by everything.
        Gzip = "gzip",
        /// Not at all.
        None = "none",
    }
    expected "zstd, gzip or none"
}

impl From<Packing> for Compression {
    fn from(packing: Packing) -> Self {
        match packing {
            Packing::Zstd => Self::Zstd,
            Packing::Gzip => Self::Gzip,
            Packing::None => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Setting>(raw: Raw) -> Option<T> {
        T::read(&raw, Place { base: Path::new("/base"), home: Path::new("/home/me") })
    }

    fn words(text: &str) -> Raw {
        Raw::Words(text.into())
    }

    #[test]
    fn paths_are_relative_to_where_they_were_written() {
        assert_eq!(read::<PathBuf>(words("models")), Some("/base/models".into()));
        assert_eq!(read::<PathBuf>(words("~/models")), Some("/home/me/models".into()));
        assert_eq!(read::<PathBuf>(words("/models")), Some("/models".into()));
        assert_eq!(read::<PathBuf>(words("")), None);
        assert_eq!(read::<PathBuf>(Raw::Integer(1)), None);
    }

    #[test]
    fn sizes_and_times_need_a_unit_and_come_back_as_written() {
        for text in ["8MiB", "1GiB", "1B", "513KiB"] {
            assert_eq!(read::<Size>(words(text)).unwrap().show(), text);
        }
        for text in ["30s", "1500ms", "2m", "1h"] {
            assert_eq!(read::<Span>(words(text)).unwrap().show(), text);
        }
        for bad in ["8", "MiB", "-1MiB", "0B"] {
            assert_eq!(read::<Size>(words(bad)), None, "{bad}");
        }
        for bad in ["30", "0s", "s", "1d"] {
            assert_eq!(read::<Span>(words(bad)), None, "{bad}");
        }
    }

    #[test]
    fn a_file_must_use_the_right_type_where_a_variable_has_only_text() {
        assert_eq!(read::<u16>(words("8080")), Some(8080));
        assert_eq!(read::<u16>(Raw::Integer(8080)), Some(8080));
        assert_eq!(read::<u16>(Raw::Text("8080".into())), None);
        assert_eq!(read::<u16>(Raw::Integer(65536)), None);
        assert_eq!(read::<u32>(Raw::Integer(0)), None);
        assert_eq!(read::<u32>(Raw::Integer(-1)), None);
    }

    #[test]
    fn models_stay_for_a_time_or_for_ever() {
        let keep = |raw| read::<Keep>(raw).map(|Keep(keep)| keep);
        let minutes = KeepAlive::For(Duration::from_secs(300));
        assert_eq!(keep(words("5m")), Some(minutes));
        for raw in [words("0"), Raw::Integer(0)] {
            assert_eq!(keep(raw), Some(KeepAlive::For(Duration::ZERO)));
        }
        for raw in [words("forever"), words("-1"), Raw::Integer(-1), Raw::Text("forever".into())] {
            assert_eq!(keep(raw), Some(KeepAlive::Forever));
        }
        for raw in [words("5"), Raw::Integer(5), words("-x"), words("")] {
            assert_eq!(keep(raw), None);
        }
        assert_eq!(Keep(minutes).show(), "5m");
    }

    #[test]
    fn a_limit_may_be_none() {
        for raw in [words("none"), Raw::Text("none".into())] {
            assert_eq!(read::<SpanOrNone>(raw.clone()).unwrap().show(), "none");
            assert_eq!(read::<CountOrNone>(raw).unwrap().show(), "none");
        }
        assert_eq!(read::<SpanOrNone>(words("30s")).unwrap().show(), "30s");
        assert_eq!(read::<CountOrNone>(Raw::Integer(7)).unwrap().show(), 7);
        assert_eq!((read::<SpanOrNone>(words("0s")), read::<CountOrNone>(words("0"))), (None, None));
    }

    #[test]
    fn switches_are_true_or_false() {
        assert_eq!(read::<bool>(words("true")), Some(true));
        assert_eq!(read::<bool>(Raw::Boolean(false)), Some(false));
        assert_eq!(read::<bool>(Raw::Text("false".into())), None);
        assert_eq!(read::<bool>(words("1")), None);
    }

    #[test]
    fn auto_is_a_word_of_its_own() {
        assert_eq!(read::<AutoSize>(words("auto")), Some(AutoSize(None)));
        assert_eq!(read::<AutoSize>(words("1GiB")), Some(AutoSize(Some(Size(1 << 30)))));
        assert_eq!(read::<Auto>(words("auto")), Some(Auto(None)));
        assert_eq!(read::<Auto>(Raw::Text("auto".into())), Some(Auto(None)));
        assert_eq!(read::<Auto>(Raw::Integer(4)), Some(Auto(Some(4))));
        assert_eq!(read::<Auto>(words("many")), None);
    }
}
