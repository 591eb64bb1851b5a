//! `inferno pipeline validate`: whether it would run.

use super::{print, say};
use crate::error::Error;
use crate::node::Guarantee;
use crate::plan::Work;
use crate::session::{Script, Tools};

pub(super) fn validate(script: &Script, tools: &Tools) -> Result<(), Error> {
    let plan = script.validate(tools)?;
    for made in &plan.nodes {
        if let Work::Sink(sink) = &made.work
            && let Guarantee::AtLeastOnce(why) = sink.guarantee()
        {
            say(&format!("note: the sink `{}` has each record at least once: {why}", made.name));
        }
    }
    print(&format!("{} is fine: {} nodes\n", script.path.display(), plan.nodes.len()))
}
