//! Errors as people read them: what, where in the file, what to do.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::error::Error;

/// A pipeline file that an error may point into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pointed<'a> {
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
}

/// Words for an error, with the line of the file that it points to.
pub(crate) fn render(error: &Error, file: Option<Pointed<'_>>, styled: bool) -> String {
    let mut group = Group::with_title(Level::ERROR.primary_title(&error.message));
    if let (Some(span), Some(Pointed { path, text })) = (&error.span, file) {
        // A place that is a whole table is told by its first line.
        let start = span.start.min(text.len());
        let line = text[start..].find('\n').map_or(text.len(), |end| start + end);
        let end = span.end.min(line).max(start);
        let annotation = AnnotationKind::Primary.span(start..end);
        group = group.element(Snippet::source(text).path(path).annotation(annotation));
    }
    if let Some(hint) = &error.hint {
        group = group.element(Level::HELP.message(hint));
    }
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Kit;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let error = Kit::new(&[("in.jsonl", "")]).run(text).expect_err("it is refused");
        let told = render(&error, Some(Pointed { path: "p.toml", text }), false);
        assert_eq!(told.trim_end(), expect.trim_matches('\n'), "\n{told}");
    }

    const ENDS: &str = "[[source]]\nuse = \"jsonl\"\npath = \"in.jsonl\"\n[[sink]]\nname = \"out\"\nuse = \"jsonl\"\npath = \"out.jsonl\"\n";

    #[test]
    fn a_field_that_does_not_exist() {
        let text = ENDS.replace("path = \"out.jsonl\"", "paht = \"out.jsonl\"");
        check(
            &text,
            "
error: `paht` is not a field of the sink `jsonl`
 --> p.toml:7:1
  |
7 | paht = \"out.jsonl\"
  | ^^^^
  |
  = help: did you mean `path`?
",
        );
    }

    #[test]
    fn a_kind_that_does_not_exist() {
        check(
            &format!("{ENDS}[[step]]\nuse = \"plugn\"\n"),
            "
error: there is no kind of step called `plugn`
 --> p.toml:9:7
  |
9 | use = \"plugn\"
  |       ^^^^^^^
  |
  = help: did you mean `plugin`?
",
        );
    }

    #[test]
    fn a_plugin_named_where_a_kind_belongs() {
        check(
            &format!("{ENDS}[[step]]\nuse = \"tag\"\n"),
            "
error: there is no kind of step called `tag`
 --> p.toml:9:7
  |
9 | use = \"tag\"
  |       ^^^^^
  |
  = help: to use the plugin, write `use = \"plugin\"` and `plugin = \"tag\"`
",
        );
    }

    #[test]
    fn a_plugin_that_is_not_there_and_one_that_refuses_its_configuration() {
        check(
            &format!("{ENDS}[[step]]\nuse = \"plugin\"\nplugin = \"tagg\"\n"),
            "
error: no plugin named \"tagg\" is at hand
  --> p.toml:10:10
   |
10 | plugin = \"tagg\"
   |          ^^^^^^
   |
   = help: `inferno plugin list` shows those that are
",
        );
        check(
            &format!("{ENDS}[[step]]\nuse = \"plugin\"\nplugin = \"flaky\"\n"),
            "
error: missing field `failures`
  --> p.toml:10:10
   |
10 | plugin = \"flaky\"
   |          ^^^^^^^
",
        );
    }

    #[test]
    fn an_edge_that_leads_nowhere() {
        check(
            &ENDS.replace("use = \"jsonl\"\npath = \"out", "from = \"jsnol\"\nuse = \"jsonl\"\npath = \"out"),
            "
error: there is no source or step called `jsnol`
 --> p.toml:6:8
  |
6 | from = \"jsnol\"
  |        ^^^^^^^
  |
  = help: did you mean `jsonl`?
",
        );
    }

    #[test]
    fn a_circle() {
        let step = |name: &str, from: &str| {
            format!("[[step]]\nname = \"{name}\"\nuse = \"plugin\"\nplugin = \"tag\"\nfrom = [\"{from}\"]\n")
        };
        check(
            &format!(
                "{}{}{}",
                step("a", "b"),
                step("b", "a"),
                ENDS.replace("\"out\"", "\"out\"\nfrom = [\"jsonl\", \"b\"]")
            ),
            "
error: the steps go round in a circle: `b` → `a` → `b`
 --> p.toml:2:8
  |
2 | name = \"a\"
  |        ^^^
  |
  = help: take one of them out of a `from`
",
        );
    }

    #[test]
    fn a_node_that_nobody_takes_from() {
        check(
            &format!(
                "[[source]]\nname = \"lost\"\nuse = \"jsonl\"\npath = \"in.jsonl\"\n{}",
                ENDS.replace("\"out\"", "\"out\"\nfrom = \"jsonl\"")
            ),
            "
error: nothing takes from the source `lost`
 --> p.toml:2:8
  |
2 | name = \"lost\"
  |        ^^^^^^
  |
  = help: name it in the `from` of another node, or remove it
",
        );
    }

    #[test]
    fn values_of_the_wrong_type_and_broken_toml() {
        check(
            &format!("[pipeline]\ncheckpoint = \"often\"\n{ENDS}"),
            "
error: \"often\" is no time; write it as in \"500ms\" or \"2m\"
 --> p.toml:2:14
  |
2 | checkpoint = \"often\"
  |              ^^^^^^^
",
        );
        check(
            &format!("{ENDS}on_error = \"ignore\"\n"),
            "
error: unknown variant `ignore`, expected one of `stop`, `drop`, `dead-letter`
 --> p.toml:8:12
  |
8 | on_error = \"ignore\"
  |            ^^^^^^^^
",
        );
        check(
            "[[source\n",
            "
error: unclosed array table, expected `]]`
 --> p.toml:1:9
  |
1 | [[source
  |         ^
",
        );
    }

    #[test]
    fn a_place_in_yaml() {
        let text = "# ä\nsource: [{ use: jsonl, path: in.jsonl }]\nsink:\n  - use: jsonl\n    name: out\n    paht: out.jsonl\n";
        let error = Kit::new(&[("in.jsonl", "")]).run_file("p.yml", text).expect_err("it is refused");
        let told = render(&error, Some(Pointed { path: "p.yml", text }), false);
        let expect = "
error: `paht` is not a field of the sink `jsonl`
 --> p.yml:6:5
  |
6 |     paht: out.jsonl
  |     ^^^^
  |
  = help: did you mean `path`?
";
        assert_eq!(told.trim_end(), expect.trim_matches('\n'), "\n{told}");
        let text = text.replace("paht: out.jsonl", "path: 7");
        let error = Kit::new(&[("in.jsonl", "")]).run_file("p.yml", &text).expect_err("it is refused");
        let told = render(&error, Some(Pointed { path: "p.yml", text: &text }), false);
        assert!(told.contains("p.yml:6:11") && told.contains("expected a string"), "{told}");
    }

    #[test]
    fn a_schedule_belongs_to_the_queue() {
        check(
            &format!("[pipeline]\nschedule = \"0 2 * * *\"\n{ENDS}"),
            "
error: when a pipeline runs is not up to its file
 --> p.toml:2:1
  |
2 | schedule = \"0 2 * * *\"
  | ^^^^^^^^
  |
  = help: have the queue run it: inferno batch-queue create --schedule \"0 2 * * *\" -- pipeline run FILE
",
        );
    }
}
