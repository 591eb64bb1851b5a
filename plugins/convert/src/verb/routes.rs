//! `inferno convert routes`

use inferno_sdk::{Error, plugins};
use serde_json::json;

pub(super) fn routes(json: bool) -> Result<bool, Error> {
    let mut found = Vec::new();
    for plugin in plugins::playing("converter")? {
        for route in plugins::routes(&plugin)? {
            found.push((plugin.clone(), route));
        }
    }
    if json {
        let list = found
            .iter()
            .map(|(plugin, route)| json!({ "plugin": plugin, "from": route.source, "to": route.target }));
        super::print_json(&list.collect())?;
    } else {
        let lines =
            found.iter().map(|(plugin, route)| format!("{} to {}  {plugin}\n", route.source, route.target));
        super::print(&lines.collect::<String>())?;
    }
    Ok(true)
}
