//! The converter role: turns models from one format into another. The plugin sees two directories, which the host
//! gives it for this one conversion, and no other file.

use std::path::{Component, Path};

use futures::FutureExt as _;

use super::bindings::converter::exports::inferno::plugin::converter::Route;
use super::bindings::converter::{Playing, PlayingPre};
use crate::error::Error;
use crate::plugin::Plugin;
use crate::session::{Order, Session};
use crate::state::{Caller, State, Surroundings};

pub(crate) type Converter = PlayingPre<State>;

impl Plugin {
    /// What the plugin can convert into what.
    pub async fn converter_routes(&self, caller: Caller) -> Result<Vec<Route>, Error> {
        self.converter_routes_for(caller.into()).await
    }

    pub(crate) async fn converter_routes_for(&self, order: Order) -> Result<Vec<Route>, Error> {
        let mut session = self.converter(order, &Surroundings::Service).await?;
        session
            .call(|live| {
                async move {
                    let converter = live.guest.inferno_plugin_converter();
                    Ok(Ok(converter.call_routes(&mut live.store).await?))
                }
                .boxed()
            })
            .await
    }

    /// Converts what is in the folder `input` along a route. The plugin reads there and writes into the folder
    /// `output`; it sees nothing else but the folder of its own, if it was granted one. Returns the names of the files that it wrote, relative to `output`, each of
    /// which is there. `options` is JSON text. The limits are those of commands, since models are large.
    pub async fn convert(
        &self,
        caller: Caller,
        route: &Route,
        options: &str,
        input: &Path,
        output: &Path,
    ) -> Result<Vec<String>, Error> {
        self.convert_for(caller.into(), route.clone(), options.to_owned(), input, output).await
    }

    pub(crate) async fn convert_for(
        &self,
        order: Order,
        route: Route,
        options: String,
        input: &Path,
        output: &Path,
    ) -> Result<Vec<String>, Error> {
        let mut session = self.converter(order, &Surroundings::Conversion { input, output }).await?;
        let files: Vec<String> = session
            .call(move |live| {
                async move {
                    let converter = live.guest.inferno_plugin_converter();
                    converter.call_convert(&mut live.store, &route, &options).await
                }
                .boxed()
            })
            .await?;
        match files.iter().find(|file| !is_written(output, file)) {
            Some(file) => Err(session.breach(format_args!(
                "it says that it wrote {file:?}, and there is no such file below /out"
            ))),
            None => Ok(files),
        }
    }

    async fn converter(&self, order: Order, around: &Surroundings<'_>) -> Result<Session<Playing>, Error> {
        let converter = self.inner.roles.converter.as_ref().ok_or_else(|| self.plays_no("converter"))?;
        let limits = &self.inner.command_limits;
        Session::open(self, "converter", converter, order, limits, around).await
    }
}

/// Whether it is the name of a plain file below `output`, and not of a link to somewhere else.
fn is_written(output: &Path, file: &str) -> bool {
    let parts = || Path::new(file).components();
    parts().all(|part| matches!(part, Component::Normal(_)))
        && parts()
            .try_fold(output.to_owned(), |path, part| {
                let path = path.join(part);
                let about = std::fs::symlink_metadata(&path).ok()?;
                (!about.is_symlink()).then_some(path)
            })
            .is_some_and(|path| path.is_file())
}
