//! What wit-bindgen makes of the WIT packages; the export macros refer to it.

#![allow(missing_docs, unsafe_code, unreachable_pub, reason = "generated")]

// With `pub_export_macro` the exports of a world are only demanded where its macro is called, so that every role may
// use the same imports. Paths are in order of dependence.
wit_bindgen::generate!({
    path: [
        "../../wit/deps/wasi-clocks",
        "../../wit/deps/wasi-random",
        "../../wit/deps/wasi-filesystem",
        "../../wit/deps/wasi-sockets",
        "../../wit/deps/wasi-cli",
        "../../wit/deps/wasi-http",
        "../../wit/host",
        "../../wit/plugin",
    ],
    world: "inferno:plugin/http",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_http_world",
    default_bindings_module: "inferno_sdk::bindings",
});

/// A role's export, with the types of the imports above. A world of its own for each, since a component must export
/// all of its world.
macro_rules! role {
    ($module:ident, $world:tt, $name:tt, $export:tt, $path:tt, [$($shared:tt: $types:ident),*]) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: [
                    "../../wit/deps/wasi-clocks",
                    "../../wit/deps/wasi-random",
                    "../../wit/deps/wasi-filesystem",
                    "../../wit/deps/wasi-sockets",
                    "../../wit/deps/wasi-cli",
                    "../../wit/deps/wasi-http",
                    "../../wit/host",
                    "../../wit/plugin",
                ],
                inline: $world,
                world: $name,
                with: { $($shared: crate::bindings::inferno::host::$types),* },
                pub_export_macro: true,
                export_macro_name: $export,
                default_bindings_module: $path,
            });
        }
    };
}

role!(
    catalog,
    "package inferno:sdk-catalog; world catalog { export inferno:plugin/catalog@0.1.0; }",
    "inferno:sdk-catalog/catalog",
    "export_catalog_world",
    "inferno_sdk::bindings::catalog",
    ["inferno:host/types@0.1.0": types]
);
role!(
    command,
    "package inferno:sdk-command; world command { export wasi:cli/run@0.3.0; }",
    "inferno:sdk-command/command",
    "export_command_world",
    "inferno_sdk::bindings::command",
    []
);
role!(
    converter,
    "package inferno:sdk-converter; world converter { export inferno:plugin/converter@0.1.0; }",
    "inferno:sdk-converter/converter",
    "export_converter_world",
    "inferno_sdk::bindings::converter",
    ["inferno:host/types@0.1.0": types]
);
role!(
    filter,
    "package inferno:sdk-filter; world filter { export inferno:plugin/filter@0.1.0; }",
    "inferno:sdk-filter/filter",
    "export_filter_world",
    "inferno_sdk::bindings::filter",
    ["inferno:host/types@0.1.0": types]
);
role!(
    judge,
    "package inferno:sdk-judge; world judge { export inferno:plugin/judge@0.1.0; }",
    "inferno:sdk-judge/judge",
    "export_judge_world",
    "inferno_sdk::bindings::judge",
    ["inferno:host/types@0.1.0": types, "inferno:host/work@0.1.0": work]
);
role!(
    step,
    "package inferno:sdk-step; world step { export inferno:plugin/step@0.1.0; }",
    "inferno:sdk-step/step",
    "export_step_world",
    "inferno_sdk::bindings::step",
    ["inferno:host/types@0.1.0": types, "inferno:host/work@0.1.0": work]
);
