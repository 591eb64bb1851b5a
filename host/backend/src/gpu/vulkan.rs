//! Processors of every maker, through Vulkan.

#![expect(unsafe_code, reason = "these functions call into a driver")]

use std::ffi::c_void;
use std::ptr;

use super::{Gpu, check, function, open, text};

pub(super) const LIBRARIES: &[&str] = &["libvulkan.so.1", "vulkan-1.dll", "libvulkan.1.dylib"];

/// `VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO`.
const CREATE_INFO: u32 = 1;
/// `VK_PHYSICAL_DEVICE_TYPE_CPU`: a program that draws, and no processor of its own.
const IS_CPU: u32 = 4;
/// `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT`.
const LOCAL: u32 = 1;
/// More than any machine has; a driver that says more is not believed.
const MOST: u32 = 64;

/// `VkInstanceCreateInfo`.
#[repr(C)]
struct CreateInfo {
    kind: u32,
    next: *const c_void,
    flags: u32,
    application: *const c_void,
    layer_count: u32,
    layers: *const c_void,
    extension_count: u32,
    extensions: *const c_void,
}

/// `VkPhysicalDeviceProperties`, whose end is of no interest here and has less than 1 KiB.
#[repr(C)]
struct Properties {
    api: u32,
    driver: u32,
    vendor: u32,
    device: u32,
    kind: u32,
    name: [u8; 256],
    rest: [u64; 128],
}

/// `VkPhysicalDeviceMemoryProperties`.
#[repr(C)]
#[derive(Clone, Copy)]
struct MemoryProperties {
    type_count: u32,
    types: [[u32; 2]; 32],
    heap_count: u32,
    heaps: [Heap; 16],
}

/// `VkMemoryHeap`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Heap {
    size: u64,
    flags: u32,
}

/// An instance and a physical device are pointers that mean nothing to us.
type Opaque = *mut c_void;
type Create = unsafe extern "system" fn(*const CreateInfo, *const c_void, *mut Opaque) -> i32;
type Destroy = unsafe extern "system" fn(Opaque, *const c_void);
type Enumerate = unsafe extern "system" fn(Opaque, *mut u32, *mut Opaque) -> i32;
type Describe = unsafe extern "system" fn(Opaque, *mut Properties);
type Memory = unsafe extern "system" fn(Opaque, *mut MemoryProperties);

pub(super) fn gpus() -> Result<Vec<Gpu>, String> {
    let library = open(LIBRARIES)?;
    // SAFETY: the types are those of vulkan_core.h, version 1.0; the loader exports these functions.
    let (create, destroy, enumerate, describe, memory) = unsafe {
        (
            function::<Create>(library, "vkCreateInstance")?,
            function::<Destroy>(library, "vkDestroyInstance")?,
            function::<Enumerate>(library, "vkEnumeratePhysicalDevices")?,
            function::<Describe>(library, "vkGetPhysicalDeviceProperties")?,
            function::<Memory>(library, "vkGetPhysicalDeviceMemoryProperties")?,
        )
    };
    let info = CreateInfo {
        kind: CREATE_INFO,
        next: ptr::null(),
        flags: 0,
        application: ptr::null(),
        layer_count: 0,
        layers: ptr::null(),
        extension_count: 0,
        extensions: ptr::null(),
    };
    let mut instance = ptr::null_mut();
    // SAFETY: the structure is whole and names no layers and no extensions.
    check("vkCreateInstance", unsafe { create(&raw const info, ptr::null(), &raw mut instance) })?;
    let mut count = MOST;
    let mut devices = [ptr::null_mut(); MOST as usize];
    // SAFETY: the instance is good, and there is room for as many devices as `count` says.
    let code = unsafe { enumerate(instance, &raw mut count, devices.as_mut_ptr()) };
    let mut gpus = Vec::new();
    for device in devices.into_iter().take(count as usize).filter(|_| code >= 0) {
        let mut about =
            Properties { api: 0, driver: 0, vendor: 0, device: 0, kind: 0, name: [0; 256], rest: [0; 128] };
        // SAFETY: the device is good, and the structure is no smaller than Vulkan's.
        unsafe { describe(device, &raw mut about) };
        let none = Heap { size: 0, flags: 0 };
        let mut has =
            MemoryProperties { type_count: 0, types: [[0; 2]; 32], heap_count: 0, heaps: [none; 16] };
        // SAFETY: as above.
        unsafe { memory(device, &raw mut has) };
        if about.kind != IS_CPU {
            gpus.push(gpu(&about, &has));
        }
    }
    // SAFETY: the instance is good, and nothing of it is used after this.
    unsafe { destroy(instance, ptr::null()) };
    // 5 is VK_INCOMPLETE: there were more, which is no failure.
    if code < 0 { Err(format!("vkEnumeratePhysicalDevices failed with code {code}")) } else { Ok(gpus) }
}

fn gpu(about: &Properties, has: &MemoryProperties) -> Gpu {
    let heaps = has.heaps.iter().take(has.heap_count as usize);
    let memory = heaps.filter(|heap| heap.flags & LOCAL != 0).map(|heap| heap.size).max();
    let (major, minor, patch) = (about.api >> 22 & 0x7f, about.api >> 12 & 0x3ff, about.api & 0xfff);
    Gpu { name: text(&about.name), memory, driver: Some(format!("Vulkan {major}.{minor}.{patch}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_are_laid_out_as_vulkan_has_them() {
        assert_eq!(std::mem::offset_of!(Properties, name), 20);
        assert!(size_of::<Properties>() >= 824);
        assert_eq!(std::mem::offset_of!(MemoryProperties, heaps), 264);
        assert_eq!(size_of::<MemoryProperties>(), 520);
    }

    #[test]
    fn a_processor_is_described() {
        let mut name = [0; 256];
        name[..4].copy_from_slice(b"Fast");
        let api = 1 << 22 | 3 << 12 | 280;
        let about = Properties { api, driver: 0, vendor: 0, device: 0, kind: 2, name, rest: [0; 128] };
        let heap = |size, flags| Heap { size, flags };
        let mut heaps = [heap(0, 0); 16];
        heaps[..3].copy_from_slice(&[heap(8 << 30, LOCAL), heap(64 << 30, 0), heap(256 << 20, LOCAL)]);
        let has = MemoryProperties { type_count: 0, types: [[0; 2]; 32], heap_count: 3, heaps };
        let driver = Some("Vulkan 1.3.280".to_owned());
        assert_eq!(gpu(&about, &has), Gpu { name: "Fast".into(), memory: Some(8 << 30), driver });
    }
}
