//! Apple's processors, through Metal and the runtime of Objective-C.

#![expect(unsafe_code, reason = "these functions call into a driver")]

use std::ffi::{CStr, c_char, c_void};

use super::{Gpu, function, open};

pub(super) const LIBRARIES: &[&str] =
    &["/System/Library/Frameworks/Metal.framework/Metal", "/usr/lib/libobjc.A.dylib"];

type Object = *mut c_void;
type Selector = *const c_void;
type Devices = unsafe extern "C" fn() -> Object;
type Register = unsafe extern "C" fn(*const c_char) -> Selector;
/// `objc_msgSend` has the type of the method that it calls.
type Send<T> = unsafe extern "C" fn(Object, Selector) -> T;
type SendIndex = unsafe extern "C" fn(Object, Selector, usize) -> Object;

pub(super) fn gpus() -> Result<Vec<Gpu>, String> {
    let metal = open(&LIBRARIES[..1])?;
    let objc = open(&LIBRARIES[1..])?;
    // SAFETY: the types are those of Metal's and the runtime's headers. `objc_msgSend` is to be called through a
    // pointer of the type of the method.
    let (devices, register, object, count, number, bytes, at) = unsafe {
        (
            function::<Devices>(metal, "MTLCopyAllDevices")?,
            function::<Register>(objc, "sel_registerName")?,
            function::<Send<Object>>(objc, "objc_msgSend")?,
            function::<Send<usize>>(objc, "objc_msgSend")?,
            function::<Send<u64>>(objc, "objc_msgSend")?,
            function::<Send<*const c_char>>(objc, "objc_msgSend")?,
            function::<SendIndex>(objc, "objc_msgSend")?,
        )
    };
    // SAFETY: a name that ends in NUL.
    let selector = |name: &CStr| unsafe { register(name.as_ptr()) };
    // SAFETY: it takes nothing and answers with an array, which is never given back, or with nil.
    let all = unsafe { devices() };
    let mut gpus = Vec::new();
    // SAFETY: an NSArray has `count`; nil answers 0 to everything.
    for index in 0..unsafe { count(all, selector(c"count")) } {
        // SAFETY: the index is inside; the array holds MTLDevice objects, which have `name` (an NSString, which has
        // `UTF8String`) and `recommendedMaxWorkingSetSize`.
        let (name, memory) = unsafe {
            let device = at(all, selector(c"objectAtIndex:"), index);
            let name = bytes(object(device, selector(c"name")), selector(c"UTF8String"));
            (name, number(device, selector(c"recommendedMaxWorkingSetSize")))
        };
        if name.is_null() {
            continue;
        }
        // SAFETY: the text ends in NUL and lives as long as the device's name.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
        gpus.push(Gpu { name, memory: Some(memory).filter(|bytes| *bytes > 0), driver: None });
    }
    Ok(gpus)
}
