//! The template that a conversation becomes a text by.

use serde_json::Value;

use super::super::Error;
use super::super::folder::Folder;
use super::super::keys::Keys;
use super::super::object::Object;

/// Says it in metadata: a file of its own, where there is one, or else what the tokenizer's settings have.
pub(super) fn tell(folder: &Folder, keys: &mut Keys) -> Result<(), Error> {
    if let Some(text) = folder.text("chat_template.jinja")? {
        keys.text("tokenizer.chat_template", text);
        return Ok(());
    }
    for file in ["tokenizer_config.json", "chat_template.json"] {
        let Some(object) = folder.object(file)? else { continue };
        match object.get("chat_template") {
            None => {}
            Some(Value::String(text)) => {
                keys.text("tokenizer.chat_template", text);
                return Ok(());
            }
            Some(_) => return tell_several(&object, keys),
        }
    }
    Ok(())
}

/// A model may have one for talk, one for tools and so on.
fn tell_several(object: &Object, keys: &mut Keys) -> Result<(), Error> {
    let mut names = Vec::new();
    for template in object.objects("chat_template")? {
        let (name, text) = (template.need_text("name")?, template.need_text("template")?);
        if name == "default" {
            keys.text("tokenizer.chat_template", text);
            continue;
        }
        let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        keys.text(format!("tokenizer.chat_template.{plain}"), text);
        names.push(plain);
    }
    if !names.is_empty() {
        keys.texts("tokenizer.chat_templates", names);
    }
    Ok(())
}
