//! A model's own chat template, which is Jinja written for Python.

use inferno_backend::Error;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, Value, context};

use crate::{clock, json};

/// Instructions, and blocks of 64 bytes of text, that rendering may cost. A template comes with an untrusted file.
const FUEL: u64 = 20_000_000;
const NAME: &str = "chat template";
/// What no template says by itself.
const PROBE: &str = "inferno-probe-7d1f";

/// A template that was understood.
#[derive(Debug)]
pub struct Template {
    environment: Environment<'static>,
    bos: String,
    eos: String,
    /// What a message says is a list of parts, as templates of models that see often want it.
    parts: bool,
}

impl Template {
    /// Understands a template; `bos` and `eos` are the texts of the tokens that begin and end a text.
    pub fn new(source: &str, bos: String, eos: String) -> Result<Self, Error> {
        let mut environment = Environment::new();
        // As the reference implementation sets them.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment
            .set_syntax(syntax.map_err(|error| Error::internal(format!("the template engine: {error}")))?);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_fuel(Some(FUEL));
        environment.add_filter("tojson", json::tojson);
        environment.add_function("raise_exception", raise);
        environment.add_function("strftime_now", |format: &str| clock::now(format));
        environment.add_template_owned(NAME, without_generation_tags(source)).map_err(|error| {
            Error::invalid(format!("the model's chat template cannot be understood: {}", detail(&error)))
                .hint("send a raw prompt instead of a chat")
        })?;
        let mut template = Self { environment, bos, eos, parts: false };
        template.parts = !template.shows(Value::from(PROBE)) && template.shows(parts(PROBE));
        Ok(template)
    }

    /// The content of a message that says this.
    pub fn content(&self, text: &str) -> Value {
        if self.parts { parts(text) } else { Value::from(text) }
    }

    /// Whether it shows the probe in this form.
    fn shows(&self, content: Value) -> bool {
        let message = Value::from_pairs([("role", Value::from("user")), ("content", content)]);
        self.render(vec![message], None).is_ok_and(|text| text.contains(PROBE))
    }

    /// The prompt for these messages, up to where the model's answer begins. Without tools it is not told of any.
    pub fn render(&self, messages: Vec<Value>, tools: Option<Vec<Value>>) -> Result<String, Error> {
        let variables = context! {
            messages => messages,
            add_generation_prompt => true,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
            tools => tools.map_or_else(|| Value::from(()), Value::from),
            documents => Value::from(()),
        };
        let rendered = self.environment.get_template(NAME).and_then(|template| template.render(variables));
        rendered.map_err(|error| {
            if error.kind() == ErrorKind::OutOfFuel {
                return Error::invalid("the model's chat template needs too much work for these messages")
                    .hint("send fewer messages, or a raw prompt instead of a chat");
            }
            Error::invalid(format!("the model's chat template refuses these messages: {}", detail(&error)))
                .hint("check the order of the roles, or send a raw prompt instead of a chat")
        })
    }
}

/// Text as the only part.
fn parts(text: &str) -> Value {
    let part = Value::from_pairs([("type", Value::from("text")), ("text", Value::from(text))]);
    Value::from_iter([part])
}

fn raise(message: &str) -> Result<Value, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, message.to_owned()))
}

fn detail(error: &minijinja::Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    error.line().map_or_else(|| what.clone(), |line| format!("{what} (line {line})"))
}

/// `{% generation %}` marks, for training, what the model wrote. Other engines do not know the tag; a block that is
/// always taken does the same.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag_on) = rest.split_at(start);
        let Some(end) = tag_on.find("%}") else { break };
        let (tag, after) = tag_on.split_at(end);
        out.push_str(before);
        match tag.trim_start_matches("{%").trim_matches(['-', '+', ' ']) {
            "generation" => out.push_str(&tag.replacen("generation", "if true", 1)),
            "endgeneration" => out.push_str(&tag.replacen("endgeneration", "endif", 1)),
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str, messages: &[(&str, &str)]) -> Result<String, Error> {
        let messages = messages.iter().map(|(role, content)| {
            Value::from_pairs([("role", Value::from(*role)), ("content", Value::from(*content))])
        });
        Template::new(source, "<s>".into(), "</s>".into())?.render(messages.collect(), None)
    }

    #[track_caller]
    fn check(source: &str, expect: &str) {
        let messages = [("system", "Be brief."), ("user", " Hé <b> ")];
        assert_eq!(render(source, &messages).unwrap(), expect);
    }

    #[test]
    fn templates_for_python_render() {
        check(
            "{{ bos_token }}\n{% for message in messages %}\n    {% if loop.last %}\n{{ message['role'].upper() }}: \
             {{ message.content | trim }}{{ eos_token }}\n    {% endif %}\n{% endfor %}",
            "<s>\nUSER: Hé <b></s>\n",
        );
        check(
            "{% for m in messages %}{% if loop.index == 2 %}{% break %}{% endif %}{{ m.role }}{% endfor %}",
            "system",
        );
        check("{{ messages[1].content.split('<b>')[0].strip() }}", "Hé");
        check("{% if tools is not none %}tools{% endif %}{% if add_generation_prompt %}go{% endif %}", "go");
        check("{{ messages[0] | tojson }}", r#"{"role": "system", "content": "Be brief."}"#);
        check("{%- generation -%} x {%- endgeneration %}{% if true %}y{% endif %}", "xy");
        check("{{ strftime_now('%%') }}", "%");
        check("{{ messages[::-1][0].role }}{{ not_there }}", "user");
    }

    #[test]
    fn content_is_in_parts_where_a_template_wants_them() {
        let content = |source: &str| {
            let template = Template::new(source, String::new(), String::new()).unwrap();
            template.content("hi")
        };
        let both = "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}\
                    {{ part.text }}{% endfor %}{% endif %}{% endfor %}";
        for source in [
            "{{ messages[0].content }}",
            "{{ messages[0]['content'] | trim }}",
            both,
            "nothing",
            "{{ raise_exception('') }}",
        ] {
            assert_eq!(content(source).as_str(), Some("hi"), "{source}");
        }
        let list = "{% for m in messages %}{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% endif %}\
                    {% endfor %}{% endfor %}";
        let parts = content(list);
        assert_eq!(parts.get_item(&Value::from(0)).unwrap().get_attr("text").unwrap().as_str(), Some("hi"));
    }

    #[test]
    fn a_template_may_refuse() {
        let error = render("{{ raise_exception('no system role here') }}", &[]).unwrap_err();
        assert!(error.message.contains("no system role here (line 1)"), "{error}");
        assert_eq!(error.kind, inferno_backend::ErrorKind::Invalid);
    }

    #[test]
    fn a_template_that_is_broken_or_never_ends_is_an_error() {
        assert!(render("{% for %}", &[]).unwrap_err().message.contains("cannot be understood"));
        let endless = "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}";
        assert!(render(endless, &[]).unwrap_err().message.contains("too much work"));
    }
}
