//! `inferno {{name}} [NAME]`.

use std::io::Write;
use std::process::ExitCode;

use inferno_sdk::command::{self, Failure};

fn main() -> ExitCode {
    command::run(greet)
}

fn greet() -> Result<(), Failure> {
    let name = std::env::args().nth(1);
    writeln!(std::io::stdout(), "{}", greeting(name.as_deref()))?;
    Ok(())
}

fn greeting(name: Option<&str>) -> String {
    format!("Hello, {}!", name.unwrap_or("world"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_greeted() {
        assert_eq!(greeting(Some("Ada")), "Hello, Ada!");
        assert_eq!(greeting(None), "Hello, world!");
    }
}
