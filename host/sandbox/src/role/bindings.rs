//! Generated from `wit/plugin`: what a component exports to play a role. What it shares with the capabilities has the
//! same types there.

/// The export of one role.
macro_rules! role {
    ($module:ident, $world:tt, $name:tt, [$($shared:tt: $types:ident),*]) => {
        pub(crate) mod $module {
            wasmtime::component::bindgen!({
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
                exports: { default: async },
                additional_derives: [PartialEq],
                with: { $($shared: crate::capability::bindings::inferno::host::$types),* },
            });
        }
    };
}

role!(
    catalog,
    "package inferno:run-catalog; world playing { export inferno:plugin/catalog@0.1.0; }",
    "inferno:run-catalog/playing",
    ["inferno:host/types": types]
);
role!(
    converter,
    "package inferno:run-converter; world playing { export inferno:plugin/converter@0.1.0; }",
    "inferno:run-converter/playing",
    ["inferno:host/types": types]
);
role!(
    filter,
    "package inferno:run-filter; world playing { export inferno:plugin/filter@0.1.0; }",
    "inferno:run-filter/playing",
    ["inferno:host/types": types]
);
role!(
    judge,
    "package inferno:run-judge; world playing { export inferno:plugin/judge@0.1.0; }",
    "inferno:run-judge/playing",
    ["inferno:host/types": types, "inferno:host/work": work]
);
role!(
    step,
    "package inferno:run-step; world playing { export inferno:plugin/step@0.1.0; }",
    "inferno:run-step/playing",
    ["inferno:host/types": types, "inferno:host/work": work]
);
