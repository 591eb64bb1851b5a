//! What a message says: a text, or parts of it and images between them.

use inferno_sdk::inference::Message;
use inferno_sdk::media;
use serde_json::Value;

use crate::error::ApiError;
use crate::fields::Fields;
use crate::schema::{Field, Kind, may};

/// What an image may be, for the document.
pub(crate) const URL: &str = "A `data:` URL with the base64 of a PNG, JPEG, GIF, WebP or BMP file; the server fetches nothing. The model \
                              must have vision.";
/// How closely it is to be looked at.
pub(crate) const DETAIL: Field = may(
    "detail",
    Kind::Word(&["auto", "low", "high", "original"]),
    "Without effect: each model has its own way to look at images.",
);

/// Puts content that was checked into a message. Texts that follow one another are put on lines of their own, images
/// where they stand. `path` is where the content is in the request.
pub(crate) fn fill(message: &mut Message, content: Value, path: &str) -> Result<(), ApiError> {
    let parts = match content {
        Value::String(text) => {
            message.content = text;
            return Ok(());
        }
        Value::Array(parts) => parts,
        _ => return Ok(()),
    };
    let mut text_before = false;
    for (index, part) in parts.into_iter().enumerate() {
        let mut part = Fields::of(part);
        if let Some(text) = part.text("text").or_else(|| part.text("refusal")) {
            if text_before {
                message.content.push('\n');
            }
            message.content.push_str(&text);
            text_before = true;
        } else if let Some(url) = part.take("image_url") {
            message.show(image(url, &format!("{path}[{index}].image_url"))?);
            text_before = false;
        }
    }
    Ok(())
}

/// An image, whose URL is a field of its own or stands by itself.
fn image(url: Value, path: &str) -> Result<Vec<u8>, ApiError> {
    let (url, path) = match url {
        Value::String(url) => (url, path.to_owned()),
        nested => (Fields::of(nested).text("url").unwrap_or_default(), format!("{path}.url")),
    };
    media::data_url(&url).map_err(|why| ApiError::value(&path, format_args!("{why}.")))
}
