//! `cargo xtask layers`: the imports between the files of each crate run one way.
//!
//! The check fails if files of a crate import from each other in a circle. It also fails if a
//! layer imports from another layer that does not stand below it. [rules](mod@rules) names
//! the layers. And it fails if the conformance suite depends on a package that
//! [dependencies](mod@dependencies) does not name.
//!
//! cargo-modules finds circles too (`dependencies --acyclic`). It stops at the first circle,
//! and has no layers. It loads all dependencies into rust-analyzer, which takes more than a
//! minute of processor time for each crate. This check reads tokens only, and takes less than
//! a second for the whole workspace.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::bail;
use proc_macro2::TokenStream;

use crate::{rust_files, workspace};
use checked::Checked;
use circles::circles;
use imports::Imports;
use rules::{LAYERED, Layered};
use tree::Tree;
use upwards::upwards;

mod checked;
mod circles;
mod dependencies;
mod imports;
mod rules;
#[cfg(test)]
mod samples;
mod scan;
mod test_only;
mod tokens;
mod tree;
mod upwards;

/// Check that the files of each crate import from each other one way, layer above layer.
///
/// Exits with 1 on a circle of imports, and on an import from a layer above.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn main(_args: &Args) -> anyhow::Result<ExitCode> {
    check()?;
    Ok(ExitCode::SUCCESS)
}

/// Checks every crate of the workspace, and says what was checked.
pub(crate) fn check() -> anyhow::Result<()> {
    let sources: BTreeMap<_, _> = rust_files::all()?.into_iter().collect();
    let mut checked = examine(&sources, &workspace::members()?, LAYERED)?;
    let dependencies = dependencies::check()?;
    checked.lines.extend(dependencies.lines);
    checked.faults.extend(dependencies.faults);
    for line in &checked.lines {
        println!("{line}");
    }
    if !checked.faults.is_empty() {
        bail!("the layers are not kept:\n{}", checked.faults.join("\n"));
    }
    Ok(())
}

fn examine(
    sources: &BTreeMap<String, TokenStream>,
    packages: &[String],
    layered: &[Layered],
) -> anyhow::Result<Checked> {
    let mut checked = Checked::default();
    for package in packages {
        let source = format!("{package}/src");
        let files = |file: &str| Ok(sources.get(&format!("{source}/{file}")).cloned());
        for root in roots(sources, &source) {
            let imports = Imports::of(&Tree::read(&files, root)?);
            let circles = circles(&imports);
            for circle in &circles {
                let chain = imports.show(&circle.shortest_chain(&imports));
                let of = format!("{source}: a circle of {} files: {chain}", circle.0.len());
                checked.faults.push(of);
            }
            if circles.is_empty() {
                let count = imports.files().count();
                let line = format!("{source}/{root}: files: {count}, circles: none");
                checked.lines.push(line);
            }
            for layered in layered.iter().filter(|it| it.package == package) {
                let faults = upwards(&imports, layered.layers).into_iter();
                checked
                    .faults
                    .extend(faults.map(|it| format!("{source}: {it}")));
            }
        }
    }
    for layered in layered
        .iter()
        .filter(|it| !packages.iter().any(|package| package == it.package))
    {
        checked.faults.push(format!(
            "xtask/src/layers/rules.rs names the package `{}`, which is not in the workspace",
            layered.package
        ));
    }
    Ok(checked)
}

/// The roots of a package's library and programs, in its `src`. Tests, examples and benches
/// are left out.
fn roots<'a>(
    sources: &'a BTreeMap<String, TokenStream>,
    source: &'a str,
) -> impl Iterator<Item = &'a str> {
    let files = sources.keys().filter_map(move |file| {
        let file = file.strip_prefix(source)?;
        file.strip_prefix('/')
    });
    files.filter(|file| match file.strip_prefix("bin/") {
        Some(program) => !program.contains('/') || program.ends_with("/main.rs"),
        None => ["lib.rs", "main.rs"].contains(file),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rules::Layer;

    fn examined(sources: &[(&str, &str)], layered: &[Layered]) -> Checked {
        let sources = sources
            .iter()
            .map(|(file, text)| ((*file).to_owned(), text.parse().unwrap()));
        let packages = ["core".to_owned(), "xtask".to_owned()];
        examine(&sources.collect(), &packages, layered).unwrap()
    }

    static CIRCLE: [(&str, &str); 4] = [
        ("core/src/lib.rs", "mod a; mod b;"),
        ("core/src/a.rs", "use crate::b::B;"),
        ("core/src/b.rs", "use crate::a::A;"),
        ("xtask/src/main.rs", ""),
    ];

    #[test]
    fn a_circle_fails_the_check_and_is_shown() {
        let checked = examined(&CIRCLE, &[]);
        let fault = "core/src: a circle of 2 files: a.rs -> b.rs (B) -> a.rs (A)";
        assert_eq!(checked.faults, [fault]);
        assert_eq!(
            checked.lines,
            ["xtask/src/main.rs: files: 1, circles: none"]
        );
    }

    static LAYERS: [Layered; 1] = [Layered {
        package: "core",
        layers: &[
            Layer {
                folder: "contract",
                below: &[],
            },
            Layer {
                folder: "engine",
                below: &["contract"],
            },
        ],
    }];

    #[test]
    fn an_import_upwards_fails_the_check_also_through_other_files() {
        let faults = |contract: &str, other: &str| {
            let sources = [
                (
                    "core/src/lib.rs",
                    "mod contract; mod engine; mod other; pub use engine::table::E;",
                ),
                ("core/src/contract.rs", "mod pid;"),
                ("core/src/contract/pid.rs", contract),
                ("core/src/engine.rs", "pub mod table;"),
                (
                    "core/src/engine/table.rs",
                    "use crate::contract::pid::P; use crate::other::O;",
                ),
                ("core/src/other.rs", other),
            ];
            examined(&sources, &LAYERS).faults
        };
        assert_eq!(faults("use super::C; use crate::other::O;", ""), [""; 0]);
        assert_eq!(
            faults("use crate::engine::table::E;", "")[1..],
            ["core/src: contract imports upwards: contract/pid.rs -> engine/table.rs (E)"]
        );
        let through = faults("use crate::other::O;", "use crate::engine::table::E;");
        let chain = "contract/pid.rs -> other.rs (O) -> engine/table.rs (E)";
        assert!(through.contains(&format!("core/src: contract imports upwards: {chain}")));
    }

    #[test]
    fn layers_are_checked_once_one_of_them_exists() {
        let none = [
            ("core/src/lib.rs", "mod engine;"),
            ("core/src/engine.rs", ""),
        ];
        assert_eq!(examined(&none, &LAYERS).faults, [""; 0]);
        let one = [
            ("core/src/lib.rs", "mod engine { mod table; }"),
            ("core/src/engine/table.rs", ""),
        ];
        let [fault] = &examined(&one, &LAYERS).faults[..] else {
            panic!("one layer is missing");
        };
        assert!(fault.ends_with("names the layer `contract`, but there is no folder of this name"));
    }

    #[test]
    fn a_layered_package_must_be_in_the_workspace() {
        let unknown = [Layered {
            package: "cor",
            layers: &[],
        }];
        let faults = examined(&CIRCLE[3..], &unknown).faults;
        assert!(faults[0].contains("names the package `cor`"), "{faults:?}");
    }

    #[test]
    fn programs_beside_a_library_have_roots_of_their_own() {
        let sources = [
            "lib.rs",
            "bin/a.rs",
            "bin/b/main.rs",
            "bin/b/c.rs",
            "d.rs",
            "main.rs",
        ];
        let sources = sources.map(|file| (format!("core/src/{file}"), TokenStream::new()));
        let sources = sources.into_iter().collect();
        let roots: Vec<_> = roots(&sources, "core/src").collect();
        assert_eq!(roots, ["bin/a.rs", "bin/b/main.rs", "lib.rs", "main.rs"]);
    }
}
