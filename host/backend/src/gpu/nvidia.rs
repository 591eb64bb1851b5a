//! NVIDIA's processors: through NVML, which every driver brings, or else through CUDA itself.

#![expect(unsafe_code, reason = "these functions call into a driver")]

use std::ffi::{c_char, c_int, c_uint, c_void};

use super::{Gpu, check, function, open, text};

pub(super) const LIBRARIES: &[&str] =
    &["libnvidia-ml.so.1", "nvml.dll", "libcuda.so.1", "nvcuda.dll", "/usr/lib/wsl/lib/libcuda.so.1"];
const NVML: &[&str] = &["libnvidia-ml.so.1", "nvml.dll"];
const CUDA: &[&str] = &["libcuda.so.1", "nvcuda.dll", "/usr/lib/wsl/lib/libcuda.so.1"];

/// What a name may take, by both interfaces.
const NAME: usize = 256;

pub(super) fn gpus() -> Result<Vec<Gpu>, String> {
    nvml().or_else(|_| cuda())
}

#[repr(C)]
#[derive(Default)]
struct MemoryInfo {
    total: u64,
    free: u64,
    used: u64,
}

type Call = unsafe extern "C" fn() -> c_int;
type Count = unsafe extern "C" fn(*mut c_uint) -> c_int;
type Version = unsafe extern "C" fn(*mut c_char, c_uint) -> c_int;
type Handle = unsafe extern "C" fn(c_uint, *mut *mut c_void) -> c_int;
type Name = unsafe extern "C" fn(*mut c_void, *mut c_char, c_uint) -> c_int;
type Memory = unsafe extern "C" fn(*mut c_void, *mut MemoryInfo) -> c_int;

fn nvml() -> Result<Vec<Gpu>, String> {
    let library = open(NVML)?;
    // SAFETY: the types are those of nvml.h, whose versioned names never change their meaning.
    let (init, shutdown, version, count, handle, name, memory) = unsafe {
        (
            function::<Call>(library, "nvmlInit_v2")?,
            function::<Call>(library, "nvmlShutdown")?,
            function::<Version>(library, "nvmlSystemGetDriverVersion")?,
            function::<Count>(library, "nvmlDeviceGetCount_v2")?,
            function::<Handle>(library, "nvmlDeviceGetHandleByIndex_v2")?,
            function::<Name>(library, "nvmlDeviceGetName")?,
            function::<Memory>(library, "nvmlDeviceGetMemoryInfo")?,
        )
    };
    // SAFETY: it takes nothing.
    check("nvmlInit", unsafe { init() })?;
    let mut driver = [0_u8; NAME];
    // SAFETY: the buffer is as long as it says, and alive for the call.
    let driver = match unsafe { version(driver.as_mut_ptr().cast(), NAME as c_uint) } {
        0 => Some(text(&driver)),
        _ => None,
    };
    let mut number = 0;
    // SAFETY: it writes one number.
    let counted = check("nvmlDeviceGetCount", unsafe { count(&raw mut number) });
    let mut gpus = Vec::new();
    for index in 0..number {
        let mut device = std::ptr::null_mut();
        // SAFETY: it writes one handle, which stays good until NVML is shut down.
        if unsafe { handle(index, &raw mut device) } != 0 {
            continue;
        }
        let (mut named, mut info) = ([0_u8; NAME], MemoryInfo::default());
        // SAFETY: the handle is good, and the buffer as long as it says.
        unsafe { name(device, named.as_mut_ptr().cast(), NAME as c_uint) };
        // SAFETY: the handle is good, and the structure is the one of this version of the function.
        let known = unsafe { memory(device, &raw mut info) } == 0;
        gpus.push(Gpu { name: text(&named), memory: known.then_some(info.total), driver: driver.clone() });
    }
    // SAFETY: it was initialised, and no handle is used after this.
    unsafe { shutdown() };
    counted.map(|()| gpus)
}

type Init = unsafe extern "C" fn(c_uint) -> c_int;
type Number = unsafe extern "C" fn(*mut c_int) -> c_int;
type Device = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
type DeviceName = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
type DeviceMemory = unsafe extern "C" fn(*mut usize, c_int) -> c_int;

fn cuda() -> Result<Vec<Gpu>, String> {
    let library = open(CUDA)?;
    // SAFETY: the types are those of cuda.h, whose versioned names never change their meaning.
    let (init, version, count, device, name, memory) = unsafe {
        (
            function::<Init>(library, "cuInit")?,
            function::<Number>(library, "cuDriverGetVersion")?,
            function::<Number>(library, "cuDeviceGetCount")?,
            function::<Device>(library, "cuDeviceGet")?,
            function::<DeviceName>(library, "cuDeviceGetName")?,
            function::<DeviceMemory>(library, "cuDeviceTotalMem_v2")?,
        )
    };
    // SAFETY: 0 is the only flag that there is.
    check("cuInit", unsafe { init(0) })?;
    let (mut supported, mut number) = (0, 0);
    // SAFETY: it writes one number.
    let known = unsafe { version(&raw mut supported) } == 0;
    // CUDA tells the newest version of itself that the driver knows, as 12040 for 12.4.
    let driver = known.then(|| format!("CUDA {}.{}", supported / 1000, supported % 1000 / 10));
    // SAFETY: it writes one number.
    check("cuDeviceGetCount", unsafe { count(&raw mut number) })?;
    let mut gpus = Vec::new();
    for index in 0..number {
        let mut id = 0;
        // SAFETY: it writes one number.
        if unsafe { device(&raw mut id, index) } != 0 {
            continue;
        }
        let (mut named, mut bytes) = ([0_u8; NAME], 0);
        // SAFETY: the device is good, and the buffer as long as it says.
        unsafe { name(named.as_mut_ptr().cast(), NAME as c_int, id) };
        // SAFETY: the device is good; it writes one number.
        let known = unsafe { memory(&raw mut bytes, id) } == 0;
        gpus.push(Gpu { name: text(&named), memory: known.then_some(bytes as u64), driver: driver.clone() });
    }
    Ok(gpus)
}
