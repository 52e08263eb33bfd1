//! Imports that run upwards: from a layer to a layer that does not stand below it.

use super::circles::{chain, reached_through};
use super::imports::Imports;
use super::rules::Layer;

/// The root of a library, which imports from all layers.
const ROOT: &str = "lib.rs";

/// What is wrong with a crate's layers, a line each.
pub(super) fn upwards(imports: &Imports, layers: &[Layer]) -> Vec<String> {
    let has_folder = |layer: &Layer| imports.files().any(|file| is_below(file, layer));
    if !layers.iter().any(has_folder) {
        return Vec::new();
    }
    let missing = layers.iter().filter(|layer| !has_folder(layer));
    let mut faults: Vec<_> = missing.map(missing_layer).collect();
    let layer_of = |file: &str| layers.iter().find(|layer| is_in(file, layer));
    // Through a file that is in no layer, an import counts as its importer's.
    let is_passed = |file: &str| layer_of(file).is_none() && file != ROOT;
    for file in imports.files() {
        let Some(own) = layer_of(file) else {
            continue;
        };
        let before = reached_through(imports, file, is_passed);
        for imported in before.keys() {
            let is_upwards = layer_of(imported).is_some_and(|other| {
                other.folder != own.folder && !own.below.contains(&other.folder)
            });
            if is_upwards {
                let chain = imports.show(&chain(&before, file, imported));
                faults.push(format!("{} imports upwards: {chain}", own.folder));
            }
        }
    }
    faults
}

fn missing_layer(layer: &Layer) -> String {
    let name = layer.folder;
    format!(
        "xtask/src/layers/rules.rs names the layer `{name}`, but there is no folder of this name"
    )
}

/// Returns `true` for a file of the layer's folder, and for the file that declares its
/// modules.
fn is_in(file: &str, layer: &Layer) -> bool {
    let is_beside = file.strip_suffix(".rs") == Some(layer.folder);
    is_beside || is_below(file, layer)
}

fn is_below(file: &str, layer: &Layer) -> bool {
    let rest = file.strip_prefix(layer.folder);
    rest.is_some_and(|rest| rest.starts_with('/'))
}
