//! What requests and answers look like: one description, by which requests are checked, answers are tested and the
//! OpenAPI document is written, so that none of the three can say something else.

mod check;
mod document;

#[cfg(test)]
pub(crate) use check::unknown;
pub(crate) use check::{check, check_form, check_query};
pub(crate) use document::document;

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Anything.
    Any,
    Null,
    Boolean,
    /// A text of any length.
    Text,
    /// A text that is not empty.
    Filled,
    /// 1 to 64 letters, digits, `_` and `-`: what a tool may be called.
    Identifier,
    /// One of these texts.
    Word(&'static [&'static str]),
    /// A whole number between these two.
    Integer(i64, i64),
    /// A number between these two.
    Number(f64, f64),
    /// A file. An object that has one is sent as a form.
    File,
    /// So many of the same kind: at least, at most.
    List(&'static Kind, usize, usize),
    /// An object with any fields, all of one kind.
    Map(&'static Kind),
    /// The same, whose names are the numbers of tokens.
    Tokens(&'static Kind),
    Object(&'static Object),
    /// One of several objects, told apart by one of their fields.
    Tagged(&'static Tagged),
    /// One of several kinds, told apart by their JSON types.
    OneOf(&'static [Kind]),
    /// A parameter that is known but not obeyed: one of these values (as JSON), which ask for nothing. The text says
    /// what to do instead.
    Only(&'static [&'static str], &'static str),
}

/// A field of an object.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Whether it has to be there and not `null`; where it has not to be, `null` is as good as absent.
    pub(crate) required: bool,
    pub(crate) about: &'static str,
}

/// An object. What has no field here is let through and ignored.
#[derive(Debug)]
pub(crate) struct Object {
    /// Its name in the document.
    pub(crate) name: &'static str,
    /// In groups, so that several objects can share some.
    pub(crate) fields: &'static [&'static [Field]],
}

/// One of several objects.
#[derive(Debug)]
pub(crate) struct Tagged {
    /// The field that says which; in each of them it is a [`Kind::Word`].
    pub(crate) tag: &'static str,
    pub(crate) cases: &'static [&'static Object],
    /// What is meant where the field is absent.
    pub(crate) default: Option<&'static str>,
    /// Words that are known and not taken, and why.
    pub(crate) refused: &'static [(&'static str, &'static str)],
}

/// A field that has to be there.
pub(crate) const fn must(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, required: true, about }
}

/// A field that may be absent.
pub(crate) const fn may(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, required: false, about }
}

impl Object {
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.all().find(|field| field.name == name)
    }

    /// Whether it is sent as a form instead of as JSON.
    pub(crate) fn is_form(&self) -> bool {
        self.all().any(|field| matches!(field.kind, Kind::File))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().copied().flatten()
    }
}

impl Tagged {
    /// The object that a word stands for.
    pub(crate) fn case(&self, word: &str) -> Option<&'static Object> {
        self.cases.iter().copied().find(|object| object.words(self.tag).contains(&word))
    }

    /// All words.
    pub(crate) fn words(&self) -> impl Iterator<Item = &'static str> {
        self.cases.iter().flat_map(|object| object.words(self.tag)).copied()
    }
}

impl Object {
    fn words(&self, tag: &str) -> &'static [&'static str] {
        match self.field(tag).map(|field| field.kind) {
            Some(Kind::Word(words)) => words,
            _ => &[],
        }
    }
}
