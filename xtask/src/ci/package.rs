//! The published packages: what files they have, and that they build without the repository.

use std::fs;

use anyhow::bail;
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use xshell::{Shell, cmd};

use super::done::Done;
use super::unpacked::{Package, Unpacked};
use crate::workspace;

/// The files that each package must have.
const REQUIRED: [&str; 7] = [
    "Cargo.toml",
    "Cargo.toml.orig",
    "Cargo.lock",
    "README.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "src/lib.rs",
];

/// Cargo adds it: the commit from which the package was made.
const COMMIT: &str = ".cargo_vcs_info.json";

/// The folders that a package may have, and the endings of the files in them.
const FOLDERS: [(&str, &[&str]); 4] = [
    ("src/", &["rs", "css", "txt"]),
    ("docs/", &["md"]),
    ("examples/", &["rs", "md"]),
    ("tests/", &["rs"]),
];

/// The largest file, in bytes.
const LARGEST_FILE: u64 = 128 * 1024;

/// The largest package, compressed, in bytes.
const LARGEST_PACKAGE: u64 = 256 * 1024;

/// What each README says that its package needs.
const RUST: &str = concat!("Rust ", env!("CARGO_PKG_RUST_VERSION"), " or later");

/// What the registry shows, and docs.rs reads. Cargo demands only some of it.
const FIELDS: [&str; 7] = [
    "rust-version",
    "description",
    "documentation",
    "readme",
    "keywords",
    "categories",
    "license",
];

pub(super) fn run(shell: &Shell) -> anyhow::Result<Done> {
    let unpacked = match Unpacked::make(shell, "unpacked", |_| true)? {
        Ok(unpacked) => unpacked,
        Err(reason) => return Ok(Done::Skipped(reason)),
    };
    let mut table = Table::new();
    table
        .load_preset(ASCII_MARKDOWN)
        .set_header(["package", "files", "KiB", "KiB compressed"]);
    let mut faults = Vec::new();
    for package in &unpacked.packages {
        let files = package.files()?;
        let bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
        table.add_row([
            package.name.clone(),
            files.len().to_string(),
            bytes.div_ceil(1024).to_string(),
            package.compressed.div_ceil(1024).to_string(),
        ]);
        let found = faults_of(&files).into_iter();
        let found = found.chain(faults_in(package, &files)?);
        faults.extend(found.map(|fault| format!("{}: {fault}", package.name)));
    }
    println!("{table}");
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }

    shell.copy_file("Cargo.lock", unpacked.lock_file())?;
    let manifest = unpacked.manifest();
    let target = workspace::target();
    for command in ["check --all-targets --all-features", "test --doc"] {
        cmd!(shell, "cargo")
            .args(command.split(' '))
            .args(["--quiet", "--workspace", "--manifest-path"])
            .arg(&manifest)
            .arg("--target-dir")
            .arg(&target)
            .run()?;
    }
    Ok(Done::Passed)
}

/// Says what is wrong with a list of paths and sizes.
fn faults_of(files: &[(String, u64)]) -> Vec<String> {
    let has = |name: &str| files.iter().any(|(path, _)| path == name);
    let missing = REQUIRED.iter().filter(|name| !has(name));
    let mut faults: Vec<_> = missing.map(|name| format!("{name} is missing")).collect();
    for (path, bytes) in files {
        let is_known = REQUIRED.contains(&path.as_str()) || path == COMMIT || is_in_a_folder(path);
        if !is_known {
            faults.push(format!("{path}: is it for users? `include` decides"));
        }
        if *bytes > LARGEST_FILE {
            faults.push(format!("{path} has {bytes} bytes"));
        }
    }
    faults
}

fn is_in_a_folder(path: &str) -> bool {
    FOLDERS.iter().any(|(folder, endings)| {
        let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
        path.starts_with(folder) && endings.contains(&ending)
    })
}

/// Says what is wrong inside the files.
fn faults_in(package: &Package, files: &[(String, u64)]) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    let text = |name: &str| fs::read_to_string(package.directory.join(name)).unwrap_or_default();
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        if text(licence) != fs::read_to_string(workspace::root().join(licence))? {
            faults.push(format!("{licence} is not the workspace's"));
        }
    }
    let manifest: toml::Table = text("Cargo.toml").parse()?;
    let fields = FIELDS.iter().filter(|field| {
        let field = manifest["package"].get(**field);
        field.and_then(|value| value.as_str()) == Some("") || field.is_none()
    });
    faults.extend(fields.map(|field| format!("Cargo.toml has no {field}")));
    if !text("README.md").contains(RUST) {
        faults.push(format!("README.md does not say: {RUST}"));
    }
    for (path, _) in files.iter().filter(|(path, _)| path.ends_with(".md")) {
        // The pages of `docs` are a part of the documentation, and rustdoc checks their links.
        if !path.starts_with("docs/") {
            let has = |name: &str| files.iter().any(|(path, _)| path == name);
            faults.extend(stray_links(path, &text(path), has));
        }
    }
    if package.compressed > LARGEST_PACKAGE {
        faults.push(format!("it has {} bytes, compressed", package.compressed));
    }
    Ok(faults)
}

/// Returns the links of a page that lead nowhere outside the repository.
fn stray_links(path: &str, text: &str, has: impl Fn(&str) -> bool) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let links = text.split("](").skip(1);
    let links = links.filter_map(|rest| rest.split_once(')'));
    let stray = links.filter(|(link, _)| {
        let file = [folder, link].join("/");
        !link.starts_with("https://") && !has(file.trim_start_matches('/'))
    });
    stray
        .map(|(link, _)| format!("{path} has a link to {link}, which the package does not have"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required() -> Vec<(String, u64)> {
        REQUIRED.map(|name| (name.to_owned(), 1)).to_vec()
    }

    fn faults(path: &str, bytes: u64) -> Vec<String> {
        let mut files = required();
        files.push((path.to_owned(), bytes));
        faults_of(&files)
    }

    #[test]
    fn a_package_has_what_it_needs_and_nothing_else() {
        assert_eq!(faults("src/engine/driver.rs", 1), [""; 0]);
        assert_eq!(faults(COMMIT, 1), [""; 0]);
        for stray in [
            "target/debug/x",
            "proptest-regressions/x.txt",
            "src/x.svg",
            "x.rs",
        ] {
            assert_eq!(faults(stray, 1).len(), 1, "{stray}");
        }
        assert_eq!(faults("src/large.rs", LARGEST_FILE + 1).len(), 1);
        assert_eq!(faults_of(&required()[1..]), ["Cargo.toml is missing"]);
    }

    #[test]
    fn a_link_leads_into_the_package_or_to_a_site() {
        let has = |name: &str| name == "examples/README.md" || name == "examples/watch.rs";
        let stray = |path, text| stray_links(path, text, has);
        assert_eq!(stray("README.md", "[a](examples/README.md)"), [""; 0]);
        assert_eq!(stray("examples/README.md", "[a](watch.rs)"), [""; 0]);
        assert_eq!(stray("README.md", "[a](https://docs.rs/slab)"), [""; 0]);
        assert_eq!(
            stray("README.md", "[a](../CHANGELOG.md) [b](x.rs)").len(),
            2
        );
    }
}
