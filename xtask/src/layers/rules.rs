//! [`LAYERED`]: the layers of each crate.

/// A crate whose folders are layers.
pub(super) struct Layered {
    pub(super) package: &'static str,
    /// The folders below `src`. If none of them exists, none is checked.
    pub(super) layers: &'static [Layer],
}

/// A folder, such as `engine`, and the file beside it, `engine.rs`.
pub(super) struct Layer {
    pub(super) folder: &'static str,
    /// The other layers that it may import from.
    pub(super) below: &'static [&'static str],
}

const fn layer(folder: &'static str, below: &'static [&'static str]) -> Layer {
    Layer { folder, below }
}

pub(super) static LAYERED: &[Layered] = &[
    Layered {
        package: "childwatch-core",
        layers: &[
            layer("platform", &[]),
            layer("contract", &[]),
            layer("source", &["platform", "contract"]),
            layer("engine", &["platform", "contract", "source"]),
            layer("watchers", &["platform", "contract", "source", "engine"]),
            layer("wait", &["platform", "contract"]),
            layer(
                "models",
                &[
                    "platform", "contract", "source", "engine", "watchers", "wait",
                ],
            ),
        ],
    },
    Layered {
        package: "childwatch-ptrace-free-tests",
        layers: &[
            layer("kit", &[]),
            layer("machine", &["kit"]),
            layer("laws", &["kit"]),
            layer("backend", &["kit", "machine"]),
            layer("case", &["backend"]),
            layer("cases", &["kit", "machine", "backend", "case"]),
            layer("hosts", &["kit", "machine", "backend", "case", "cases"]),
            layer(
                "front",
                &[
                    "kit", "machine", "laws", "backend", "case", "cases", "hosts",
                ],
            ),
        ],
    },
    Layered {
        package: "childwatch-ptrace-free-tests/proofs",
        // Each proves something else, and needs nothing of the others.
        layers: &[
            layer("broken", &[]),
            layer("faults", &[]),
            layer("program", &[]),
            layer("soak", &[]),
        ],
    },
    Layered {
        package: "xtask/bench",
        layers: &[
            layer("figures", &[]),
            layer("measuring", &["figures"]),
            layer("candidates", &["measuring"]),
            layer("rows", &["figures", "measuring", "candidates"]),
            layer("results", &["figures", "measuring", "candidates", "rows"]),
            layer(
                "rounds",
                &["figures", "measuring", "candidates", "rows", "results"],
            ),
            layer(
                "formats",
                &["figures", "measuring", "candidates", "results"],
            ),
        ],
    },
];
