//! What a plugin can be to its users.

pub(crate) mod bindings;
pub(crate) mod catalog;
pub(crate) mod command;
pub(crate) mod converter;
pub(crate) mod filter;
pub(crate) mod http;
pub(crate) mod judge;
pub(crate) mod step;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use wasmtime::Store;
use wasmtime::component::{Component, InstancePre};

use crate::error::Error;
use crate::link;
use crate::manifest::Manifest;
use crate::session::Ready;
use crate::state::State;

/// The roles that a component was found to play: those that its manifest names.
pub(crate) struct Played {
    pub(crate) http: Option<http::Service>,
    pub(crate) command: Option<command::Command>,
    pub(crate) filter: Option<filter::Filter>,
    pub(crate) step: Option<step::Steps>,
    pub(crate) judge: Option<judge::Judge>,
    pub(crate) converter: Option<converter::Converter>,
    pub(crate) catalog: Option<catalog::Catalog>,
}

impl Played {
    pub(crate) fn find(
        manifest: &Manifest,
        component: &Component,
        instance: &InstancePre<State>,
    ) -> Result<Self, Error> {
        let (name, roles) = (&*manifest.plugin.name, &manifest.roles);
        let missing = |role: &str| {
            let expected = format!("inferno:plugin/{role}@0.1.0");
            link::missing_role(name, role, &expected, component)
        };
        let pre = || instance.clone();
        Ok(Self {
            http: roles.http.as_ref().map(|_| http::Service::new(name, component, instance)).transpose()?,
            command: roles
                .command
                .as_ref()
                .map(|_| command::Command::new(name, component, instance))
                .transpose()?,
            filter: roles
                .filter
                .as_ref()
                .map(|_| bindings::filter::PlayingPre::new(pre()))
                .transpose()
                .map_err(|_| missing("filter"))?,
            step: roles
                .step
                .as_ref()
                .map(|_| bindings::step::PlayingPre::new(pre()))
                .transpose()
                .map_err(|_| missing("step"))?,
            judge: roles
                .judge
                .as_ref()
                .map(|_| bindings::judge::PlayingPre::new(pre()))
                .transpose()
                .map_err(|_| missing("judge"))?,
            converter: roles
                .converter
                .as_ref()
                .map(|_| bindings::converter::PlayingPre::new(pre()))
                .transpose()
                .map_err(|_| missing("converter"))?,
            catalog: roles
                .catalog
                .as_ref()
                .map(|_| bindings::catalog::PlayingPre::new(pre()))
                .transpose()
                .map_err(|_| missing("catalog"))?,
        })
    }
}

macro_rules! ready {
    ($($role:ident),*) => {
        $(impl Ready for bindings::$role::PlayingPre<State> {
            type Guest = bindings::$role::Playing;

            fn instantiate<'a>(
                &'a self,
                store: &'a mut Store<State>,
            ) -> BoxFuture<'a, wasmtime::Result<Self::Guest>> {
                self.instantiate_async(store).boxed()
            }
        })*
    };
}

ready!(catalog, converter, filter, judge, step);
