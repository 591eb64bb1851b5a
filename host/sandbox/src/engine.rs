//! The engine that runs components: one per process, with a pool of instances, a cache of compiled code and a clock.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use wasmtime::{Cache, CacheConfig, InstanceAllocationStrategy, PoolingAllocationConfig, UpdateDeadline};

use crate::Config;
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use crate::state::State;

/// How often running plugins are interrupted, so that others get their turn and limits are looked at.
const TICK: Duration = Duration::from_millis(10);
/// After so many ticks without a call the clock sleeps until the next one.
const IDLE_TICKS: u32 = 100;

/// So often, in ticks, the deadlines of calls are looked at.
const DEADLINE_TICKS: u32 = 5;

/// What an instance may take of the pool, besides what its limits say. Components made by the usual tools have one
/// memory, two or three tables and fewer than ten core modules.
pub(crate) const MEMORIES: u32 = 2;
const STACKS: u32 = 4;
/// Memories up to this size are cleared by writing to them, which is cheaper than giving their pages back and faulting
/// them in again: 250 against 230 us for a small call. A Rust component begins with little more than 1 MiB. Larger
/// memories keep this much of themselves.
const KEEP_RESIDENT: usize = 2 << 20;
const KEEP_RESIDENT_SMALL: usize = 32 << 10;

pub(crate) struct Engine {
    pub(crate) wasm: wasmtime::Engine,
    /// One permit for each call that the pool has room for.
    pub(crate) slots: Arc<Semaphore>,
    ticker: Ticker,
}

impl Engine {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let failed = |error: wasmtime::Error| {
            Error::new(ErrorKind::Host, format!("the WebAssembly engine does not start: {error:#}"))
        };
        let mut wasm = wasmtime::Config::new();
        wasm.wasm_component_model_async(true)
            .epoch_interruption(true)
            .cache(Some(cache(&config.cache_dir)?))
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
        let wasm = wasmtime::Engine::new(&wasm).map_err(failed)?;
        let ticker = Ticker::start(&wasm).map_err(|error| failed(error.into()))?;
        Ok(Self { wasm, slots: Arc::new(Semaphore::new(config.calls as usize)), ticker })
    }

    /// Has an eye on a call's deadline.
    pub(crate) fn watch(&self, call: Weak<dyn Overdue>) {
        self.ticker.shared.watched().push(call);
    }

    /// A store for one call. It keeps the clock running as long as the returned guard lives.
    pub(crate) fn store(&self, state: State) -> (wasmtime::Store<State>, Ticking) {
        let data = usize::try_from(state.limits().host_call_data.0).unwrap_or(usize::MAX);
        let mut store = wasmtime::Store::new(&self.wasm, state);
        store.limiter(|state| &mut state.growth);
        store.set_hostcall_fuel(data);
        if let Some(table) = store.concurrent_resource_table() {
            table.set_max_capacity(crate::state::MAX_RESOURCES);
        }
        store.call_hook(|store, hook| match hook {
            wasmtime::CallHook::CallingHost => Ok(store.data().meter.host_call()?),
            _ => Ok(()),
        });
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            store.data().meter.check_compute()?;
            Ok(UpdateDeadline::Yield(1))
        });
        (store, self.ticker.enter())
    }
}

fn pool(config: &Config) -> PoolingAllocationConfig {
    let calls = config.calls;
    let memory = config.limits.memory.0.max(config.command_limits.memory.0);
    let elements = config.limits.table_elements.max(config.command_limits.table_elements);
    let most = |of: fn(&Limits) -> u64| {
        u32::try_from(of(&config.limits).max(of(&config.command_limits))).unwrap_or(u32::MAX)
    };
    let (tables, instances) = (most(|limits| limits.tables), most(|limits| limits.instances));
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_core_instances(calls.saturating_mul(instances))
        .total_memories(calls.saturating_mul(MEMORIES))
        .total_tables(calls.saturating_mul(tables))
        .total_stacks(calls.saturating_mul(STACKS))
        .max_memory_size(usize::try_from(memory).unwrap_or(usize::MAX))
        .table_elements(usize::try_from(elements).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT_SMALL)
        .async_stack_keep_resident(KEEP_RESIDENT_SMALL);
    pool
}

/// Compiled code is machine code: whoever can write to this folder can run anything, so only its owner may.
fn cache(parent: &Path) -> Result<Cache, Error> {
    let folder = std::path::absolute(parent.join("components")).map_err(|error| unusable(parent, &error))?;
    private(&folder).map_err(|error| unusable(&folder, &error))?;
    let mut config = CacheConfig::new();
    config.with_directory(&folder);
    Cache::new(config).map_err(|error| unusable(&folder, &io::Error::other(format!("{error:#}"))))
}

fn unusable(folder: &Path, error: &io::Error) -> Error {
    Error::new(
        ErrorKind::Host,
        format!("the folder for compiled plugins, {}, cannot be used: {error}", folder.display()),
    )
    .with_hint("it must be a folder that belongs to you; remove it, or choose another cache folder")
}

#[cfg(unix)]
fn private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if !std::fs::symlink_metadata(folder)?.is_dir() {
        return Err(io::Error::other("it is a link to somewhere else"));
    }
    // Fails where somebody else owns the folder.
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn private(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// Something that must end in time.
pub(crate) trait Overdue: Send + Sync {
    /// Ends it if its time is up. Called by the clock, which must not be held up.
    fn end_if_overdue(&self, now: Instant);
}

/// The thread that moves the engine's epoch on while there are calls.
struct Ticker {
    shared: Arc<Clock>,
    thread: Thread,
}

#[derive(Default)]
struct Clock {
    calls: AtomicUsize,
    asleep: AtomicBool,
    stop: AtomicBool,
    watched: Mutex<Vec<Weak<dyn Overdue>>>,
}

impl Clock {
    fn watched(&self) -> std::sync::MutexGuard<'_, Vec<Weak<dyn Overdue>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what is overdue and forgets what has ended.
    fn look_at_deadlines(&self) {
        let mut alive = Vec::new();
        self.watched().retain(|call| {
            let call = call.upgrade();
            alive.extend(call.iter().cloned());
            call.is_some()
        });
        // Without the lock: a call that is dropped here, as the last one to hold it, may take a while.
        let now = Instant::now();
        for call in alive {
            call.end_if_overdue(now);
        }
    }
}

impl Ticker {
    fn start(engine: &wasmtime::Engine) -> io::Result<Self> {
        let shared = Arc::new(Clock::default());
        let (clock, engine) = (shared.clone(), engine.weak());
        let spawned = thread::Builder::new().name("plugin-clock".to_owned()).spawn(move || {
            let (mut idle, mut ticks) = (0, 0_u32);
            while !clock.stop.load(SeqCst) {
                thread::sleep(TICK);
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
                ticks = ticks.wrapping_add(1);
                if ticks.is_multiple_of(DEADLINE_TICKS) {
                    clock.look_at_deadlines();
                }
                idle = if clock.calls.load(SeqCst) == 0 { idle + 1 } else { 0 };
                if idle > IDLE_TICKS {
                    // A call that begins between these lines sees `asleep`, and its `unpark` is not lost.
                    clock.asleep.store(true, SeqCst);
                    if clock.calls.load(SeqCst) == 0 && !clock.stop.load(SeqCst) {
                        thread::park();
                    }
                    clock.asleep.store(false, SeqCst);
                    idle = 0;
                }
            }
        })?;
        Ok(Self { shared, thread: spawned.thread().clone() })
    }

    fn enter(&self) -> Ticking {
        self.shared.calls.fetch_add(1, SeqCst);
        if self.shared.asleep.load(SeqCst) {
            self.thread.unpark();
        }
        Ticking(self.shared.clone())
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.thread.unpark();
    }
}

/// As long as it lives, time passes for plugins.
pub(crate) struct Ticking(Arc<Clock>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn the_cache_is_private_and_no_link() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("components");
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        cache(parent.path()).unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);

        let other = tempfile::tempdir().unwrap();
        symlink(parent.path(), other.path().join("components")).unwrap();
        let error = cache(other.path()).unwrap_err();
        assert!(error.to_string().ends_with("cannot be used: it is a link to somewhere else"), "{error}");
    }
}
