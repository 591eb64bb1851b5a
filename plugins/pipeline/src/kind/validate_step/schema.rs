//! A whole JSON schema.

use boon::{CompileError, Compiler, ErrorKind, SchemaIndex, Schemas, SchemeUrlLoader, ValidationError};
use serde_json::Value;
use toml::Spanned;

use crate::error::Error;
use crate::node::Context;

/// What a schema is called in its own references.
const ADDRESS: &str = "inferno:///schema";
/// How many things are told that are wrong with one record, and how much about each.
const MOST: usize = 8;
const LONGEST: usize = 200;

/// A schema, ready to be checked.
pub(super) struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    /// Reads what the pipeline file says: a schema, or the name of a file with one.
    pub(super) fn read(said: &Spanned<Value>, context: &Context) -> Result<Self, Error> {
        let schema = match said.get_ref() {
            Value::String(name) => file(name, context),
            schema => Ok(schema.clone()),
        };
        schema.and_then(compile).map_err(|error| error.at(said.span()))
    }

    /// What is wrong with a record.
    pub(super) fn wrong(&self, value: &Value) -> Vec<String> {
        let mut told = Vec::new();
        if let Err(error) = self.schemas.validate(value, self.index) {
            tell(&error, &mut told);
        }
        told
    }
}

fn compile(schema: Value) -> Result<Schema, Error> {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.enable_format_assertions();
    // One that knows no scheme, so that no other document is read.
    compiler.use_loader(Box::new(SchemeUrlLoader::new()));
    compiler.add_resource(ADDRESS, schema).map_err(|error| wrong(&error))?;
    let index = compiler.compile(ADDRESS, &mut schemas).map_err(|error| wrong(&error))?;
    Ok(Schema { schemas, index })
}

fn wrong(error: &CompileError) -> Error {
    let what = match error {
        CompileError::ValidationError { src, .. } => {
            let mut told = Vec::new();
            tell(src, &mut told);
            told.join("; ")
        }
        CompileError::LoadUrlError { url, .. } | CompileError::UnsupportedUrlScheme { url } => {
            format!("it refers to {url}, and may refer to no other document")
        }
        other => other.to_string(),
    };
    Error::new(format!("this is no JSON schema: {what}"))
}

/// The causes that say something.
fn tell(error: &ValidationError<'_, '_>, told: &mut Vec<String>) {
    use ErrorKind::{AllOf, AnyOf, ContentSchema, Group, OneOf, Reference, Schema};
    match error.kind {
        Schema { .. } | Group | Reference { .. } | ContentSchema | AllOf if !error.causes.is_empty() => {
            error.causes.iter().for_each(|cause| tell(cause, told));
        }
        _ if told.len() >= MOST => {}
        AnyOf | OneOf(None) => {
            let mut causes = Vec::new();
            error.causes.iter().for_each(|cause| tell(cause, &mut causes));
            told.push(format!("{}fits nothing of what it may be ({})", place(error), causes.join("; ")));
        }
        _ => {
            let what: String = error.kind.to_string().chars().take(LONGEST).collect();
            told.push(format!("{}{what}", place(error)));
        }
    }
}

fn place(error: &ValidationError<'_, '_>) -> String {
    match error.instance_location.to_string().trim_start_matches('/') {
        "" => String::new(),
        place => format!("`{place}`: "),
    }
}

fn file(name: &str, context: &Context) -> Result<Value, Error> {
    let path = context.path(name);
    let text = std::fs::read_to_string(&path).map_err(|error| Error::file("read", &path, &error))?;
    serde_json::from_str(&text).map_err(|error| Error::new(format!("{name} is no JSON: {error}")))
}
