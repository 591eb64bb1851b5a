use std::fs;

use crate::wit::exports::inferno::plugin::converter::{Guest, Route};
use crate::wit::inferno::host::types::Error;
use crate::{Roles, invalid, misbehave, unknown, words};

impl Guest for Roles {
    fn routes() -> Vec<Route> {
        vec![Route { source: "text".to_owned(), target: "upper".to_owned() }]
    }

    fn convert(route: Route, options: String) -> Result<Vec<String>, Error> {
        let failed = |error: std::io::Error| invalid(error.to_string());
        if (&*route.source, &*route.target) != ("text", "upper") {
            return Err(invalid(format!("there is no way from {} to {}", route.source, route.target)));
        }
        match &*words(&options) {
            ["{}"] => {
                let text = fs::read_to_string("/in/model.txt").map_err(failed)?;
                fs::create_dir("/out/part").map_err(failed)?;
                fs::write("/out/part/model.txt", text.to_uppercase()).map_err(failed)?;
                Ok(vec!["part/model.txt".to_owned()])
            }
            // Writes one file and waits for another one, which somebody else is to write.
            ["meet", mine, theirs] => {
                fs::write(format!("/out/{mine}"), "").map_err(failed)?;
                while fs::metadata(format!("/out/{theirs}")).is_err() {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                Ok(vec![(*mine).to_owned()])
            }
            ["lie", name] => Ok(vec![(*name).to_owned()]),
            // The names of what should have failed and did not.
            ["escape"] => {
                let tries = [
                    ("write-in", fs::write("/in/new", "x").is_ok()),
                    ("change-in", fs::write("/in/model.txt", "x").is_ok()),
                    ("remove-in", fs::remove_file("/in/model.txt").is_ok()),
                    ("rename-in", fs::rename("/in/model.txt", "/out/model.txt").is_ok()),
                    ("absolute", fs::read("/etc/passwd").is_ok()),
                    ("above", fs::read_dir("/out/..").is_ok()),
                    ("link", fs::read("/in/link").is_ok()),
                    ("root", fs::read_dir("/").is_ok()),
                ];
                let reached: Vec<&str> =
                    tries.iter().filter(|(_, reached)| *reached).map(|(name, _)| *name).collect();
                Err(invalid(format!("reached: {}", reached.join(" "))))
            }
            words => misbehave::run(words).ok_or_else(|| unknown(&options))?.map(|()| Vec::new()),
        }
    }
}
