//! The peer: wasmtime with the ordinary WASI, and with the sandbox's pool, compile cache and kind of calls.

use std::path::Path;

use anyhow::{Context, Result};
use inferno_sandbox::Limits;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{
    Cache, CacheConfig, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use bindings::exports::inferno::plugin::filter::{RequestAction, RequestHead, ResponseAction, ResponseHead};
use bindings::{Playing, PlayingPre};

/// Generated: what a filter exports.
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: [
            "../wit/deps/wasi-clocks",
            "../wit/deps/wasi-random",
            "../wit/deps/wasi-filesystem",
            "../wit/deps/wasi-sockets",
            "../wit/deps/wasi-cli",
            "../wit/deps/wasi-http",
            "../wit/host",
            "../wit/plugin",
        ],
        inline: "package inferno:bench; world playing { export inferno:plugin/filter@0.1.0; }",
        world: "inferno:bench/playing",
        exports: { default: async },
        additional_derives: [PartialEq],
    });
}

/// The sandbox's, so that the pools are of one size.
const MEMORIES: u32 = 2;
const STACKS: u32 = 4;
const KEEP_RESIDENT: usize = 2 << 20;
const KEEP_RESIDENT_SMALL: usize = 32 << 10;

/// An engine that is ready to load components.
pub(crate) struct Plain {
    engine: Engine,
    linker: Linker<State>,
}

impl Plain {
    /// With room for so many instances at once.
    pub(crate) fn new(cache: &Path, calls: u32) -> Result<Self> {
        let mut cached = CacheConfig::new();
        cached.with_directory(std::path::absolute(cache)?);
        let mut config = Config::new();
        config
            .cache(Some(Cache::new(cached)?))
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(calls)?));
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        Ok(Self { engine, linker })
    }

    /// A plugin from its folder.
    pub(crate) fn load(&self, folder: &Path) -> Result<Loaded> {
        let file = folder.join("plugin.wasm");
        let wasm = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let component = Component::from_binary(&self.engine, &wasm)?;
        let ready = PlayingPre::new(self.linker.instantiate_pre(&component)?)?;
        Ok(Loaded { engine: self.engine.clone(), ready })
    }
}

fn pool(calls: u32) -> Result<PoolingAllocationConfig> {
    let limits = Limits::default();
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_core_instances(calls * u32::try_from(limits.instances)?)
        .total_memories(calls * MEMORIES)
        .total_tables(calls * u32::try_from(limits.tables)?)
        .total_stacks(calls * STACKS)
        .max_memory_size(usize::try_from(limits.memory.0)?)
        .table_elements(usize::try_from(limits.table_elements)?)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT_SMALL)
        .async_stack_keep_resident(KEEP_RESIDENT_SMALL);
    Ok(pool)
}

/// A component that is ready to be made an instance.
pub(crate) struct Loaded {
    engine: Engine,
    ready: PlayingPre<State>,
}

impl Loaded {
    /// Makes an instance.
    pub(crate) async fn filter(&self) -> Result<Live> {
        let state = State { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, state);
        let guest = self.ready.instantiate_async(&mut store).await?;
        Ok(Live { guest, store })
    }
}

/// An instance.
pub(crate) struct Live {
    guest: Playing,
    store: Store<State>,
}

impl Live {
    pub(crate) async fn request(&mut self, head: &RequestHead, body: &[u8]) -> Result<RequestAction> {
        Ok(self.guest.inferno_plugin_filter().call_request(&mut self.store, head, body).await??)
    }

    pub(crate) async fn response(&mut self, head: &ResponseHead) -> Result<ResponseAction> {
        Ok(self.guest.inferno_plugin_filter().call_response(&mut self.store, head).await??)
    }

    pub(crate) async fn chunk(&mut self, data: &[u8], last: bool) -> Result<Vec<u8>> {
        Ok(self.guest.inferno_plugin_filter().call_chunk(&mut self.store, data, last).await??)
    }
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
