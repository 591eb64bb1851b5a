//! `inferno pipeline validate`: whether it would run.

use super::print;
use crate::error::Error;
use crate::session::{Script, Tools};

pub(super) fn validate(script: &Script, tools: &Tools) -> Result<(), Error> {
    let plan = script.validate(tools)?;
    print(&format!("{} is fine: {} nodes\n", script.path.display(), plan.nodes.len()))
}
