//! Commands that wait for several things at once.

use std::future::Future;
use std::marker::PhantomData;

use super::{Failure, run_here};
use crate::bindings::command::exports::wasi::cli::run as wit;

/// A command that waits for several things at once, such as the answers of models. Where it does one thing after the
/// other, a plain `main` with [`run`](super::run) is enough.
///
/// A library with `crate-type = ["cdylib"]`; arguments and standard streams are those of [`std::env`] and [`std::io`].
///
/// ```
/// use inferno_sdk::command::{Command, Failure};
/// use inferno_sdk::inference::{self, Request};
///
/// struct Ask;
///
/// impl Command for Ask {
///     async fn run() -> Result<(), Failure> {
///         let mut answer = inference::generate(&Request::prompt("storyteller", "Once")).await?;
///         while let Some(piece) = answer.next().await {
///             print!("{piece}");
///         }
///         answer.end().await?;
///         Ok(())
///     }
/// }
///
/// inferno_sdk::export_command!(Ask);
/// # fn main() {}
/// ```
pub trait Command: 'static {
    /// Does the work. A failure is told on standard error as [`run`](super::run) does it, unless its text is empty, and
    /// the status is 1.
    fn run() -> impl Future<Output = Result<(), Failure>>;
}

/// Waits for a future in the middle of code that is not `async`, of a [`Command`] or another role whose export is.
pub fn wait<T: 'static>(future: impl Future<Output = T>) -> T {
    wit_bindgen::block_on(future)
}

/// What the component exports for a command.
#[doc(hidden)]
pub struct Exported<T: Command>(PhantomData<T>);

impl<T: Command> wit::Guest for Exported<T> {
    async fn run() -> Result<(), ()> {
        run_here(T::run()).await
    }
}

/// Makes a [`Command`](crate::command::Command) this component's `command` role.
#[macro_export]
macro_rules! export_command {
    ($command:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Exported = $crate::command::Exported<$command>;
    $crate::bindings::command::export_command_world!(Exported with_types_in $crate::bindings::command);
        };
        // A native linker would not take the names of the exports; there, the type is only checked.
        #[cfg(not(target_family = "wasm"))]
        const _: ::core::marker::PhantomData<$crate::command::Exported<$command>> = ::core::marker::PhantomData;
    };
}
