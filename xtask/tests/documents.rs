//! The documents are true where a program can tell: their links lead somewhere, SECURITY.md lists
//! the dependencies of the libraries, the tuned constants exist, the map has every module, and the
//! limits name each system call.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The libraries, in the order of the columns of SECURITY.md's table.
const LIBRARIES: [&str; 3] = ["childwatch-core", "childwatch-pidfd", "childwatch-sigchld"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is in the workspace")
}

/// Returns the paths in a folder.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder can be read");
    entries.map(|entry| entry.expect("an entry can be read").path())
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the text between `begin` and the next `end`.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text
        .split_once(begin)
        .unwrap_or_else(|| panic!("no {begin}"));
    let (section, _) = rest
        .split_once(end)
        .unwrap_or_else(|| panic!("no end of {begin}"));
    section
}

/// Returns the package of each row, with the libraries whose column says "yes".
fn listed(security: &str) -> BTreeMap<String, Vec<&'static str>> {
    let table = between(
        security,
        "<!-- dependencies -->\n",
        "<!-- end of dependencies -->",
    );
    let rows = table.lines().skip(2).map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let in_columns = LIBRARIES.into_iter().zip(&cells[2..5]);
        let takes = in_columns.filter(|(_, cell)| **cell == "yes");
        let package = cells[1].trim_matches('`').to_owned();
        (package, takes.map(|(library, _)| library).collect())
    });
    rows.collect()
}

/// Returns each package that is not of this workspace, with the libraries that depend on it.
fn declared() -> BTreeMap<String, Vec<&'static str>> {
    let mut declared = BTreeMap::<String, Vec<_>>::new();
    for library in LIBRARIES {
        let manifest = read(&root().join(library).join("Cargo.toml"));
        let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
        let dependencies = manifest["dependencies"].as_table().expect("a table");
        for package in dependencies.keys() {
            if !package.starts_with("childwatch-") {
                declared.entry(package.clone()).or_default().push(library);
            }
        }
    }
    declared
}

#[test]
fn security_lists_the_dependencies_of_the_libraries() {
    assert_eq!(listed(&read(&root().join("SECURITY.md"))), declared());
}

/// Returns the Markdown files of the workspace's root and of `docs`.
fn pages() -> Vec<PathBuf> {
    let folders = ["", "docs", "docs/bench"].map(|folder| root().join(folder));
    let pages = folders.iter().flat_map(|folder| entries(folder));
    pages
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect()
}

/// Returns the text without the code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Returns the targets of the links `[text](target)`.
fn targets(text: &str) -> Vec<&str> {
    let after = prose(text).flat_map(|line| line.split("](").skip(1));
    after
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
        .collect()
}

/// Returns the anchors of the headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let letters = words
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        letters.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = read(&page);
        for target in targets(&text) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            let leads =
                file.exists() && (anchor.is_empty() || anchors(&read(&file)).contains(anchor));
            if !leads {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Returns the text of each Rust file of the libraries that is called `name`.
fn sources(folder: &Path, name: &str, found: &mut Vec<String>) {
    for path in entries(folder) {
        if path.is_dir() {
            sources(&path, name, found);
        } else if path.file_name().is_some_and(|file| file == name) {
            found.push(read(&path));
        }
    }
}

/// A row begins with `` `file::CONSTANT` ``, and may have more constants of that file.
#[test]
fn the_tuned_constants_exist() {
    let page = read(&root().join("docs/performance.md"));
    let section = between(&page, "## Tuned constants\n", "\n## ");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut constants = 0;
    for row in rows {
        let (cell, _) = row.split_once('|').unwrap();
        let (file, names) = cell.split_once("::").unwrap();
        let mut texts = Vec::new();
        for library in LIBRARIES {
            sources(
                &root().join(library).join("src"),
                &format!("{file}.rs"),
                &mut texts,
            );
        }
        for name in names.split('`').step_by(2).filter(|name| !name.is_empty()) {
            let declaration = format!("const {name}: ");
            let exists = texts.iter().any(|text| text.contains(&declaration));
            assert!(exists, "{file}.rs has no constant {name}: row `{cell}`");
            constants += 1;
        }
    }
    assert!(
        constants > 0,
        "docs/performance.md has no table of constants"
    );
}

/// Files that the map does not show: roots, and files for tests and models alone.
const NOT_ON_THE_MAP: [&str; 5] = ["lib", "tests", "refusing", "modelled", "real"];

/// Returns the names of the modules in `src`, and in its folders except `models`.
fn modules(src: &Path) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for path in entries(src) {
        if !path.is_dir() {
            modules.insert(path);
        } else if !path.ends_with("models") {
            modules.extend(entries(&path).filter(|path| !path.is_dir()));
        }
    }
    let names = modules.iter().filter_map(|path| path.file_stem());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names
        .filter(|name| !NOT_ON_THE_MAP.contains(&name.as_str()))
        .collect()
}

#[test]
fn the_map_has_every_module_of_the_libraries() {
    let map = read(&root().join("ARCHITECTURE.md"));
    for library in LIBRARIES {
        let section = between(&map, &format!("\n## `{library}`\n"), "\n## ");
        let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
        let words: BTreeSet<_> = section.split(|letter| !is_letter(letter)).collect();
        for module in modules(&root().join(library).join("src")) {
            assert!(
                words.contains(module.as_str()),
                "ARCHITECTURE.md does not name the module {module} of {library}"
            );
        }
    }
}

/// Returns the system calls of a backend's table of faults, except those of its making.
fn calls_in_use(faults: &str, backend: &str) -> BTreeSet<String> {
    let section = between(faults, &format!("\n## {backend}: "), "\n## ");
    let rows = section.lines().filter(|row| row.starts_with("| "));
    let cells = rows
        .skip(1)
        .map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let used = cells.filter(|cells| cells[2] != "making");
    let calls = used.map(|cells| {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        cells[1]
            .split(|letter| !is_letter(letter))
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    // A limit is no call, and the kernel's name of `select` is another one.
    calls
        .filter(|call| call != "RLIMIT_NOFILE" && call != "select")
        .collect()
}

/// A program whose filter of system calls kills must know them all.
#[test]
fn the_limits_name_every_system_call_of_a_watcher() {
    /// The kernel has no error for them, so they are not in the tables of faults.
    const WITHOUT_ERRORS: [&str; 4] = ["exit", "getpid", "sched_yield", "restart_syscall"];
    let faults = read(&root().join("docs/faults.md"));
    let pidfd = read(&root().join("childwatch-pidfd/src/lib.rs"));
    let pidfd = between(&pidfd, "**A sandbox can kill the program.**", "//! - **");
    let sigchld = read(&root().join("childwatch-sigchld/src/limits.rs"));
    let sigchld = between(
        &sigchld,
        "| It installs a seccomp filter that kills. |",
        "\n",
    );
    for (limit, backends) in [
        (pidfd, ["pidfd", "pidfd-driven"]),
        (sigchld, ["sigchld", "sigchld-driven"]),
    ] {
        for backend in backends {
            let calls = calls_in_use(&faults, backend);
            assert!(!calls.is_empty(), "{backend} has no table of faults");
            let others = WITHOUT_ERRORS.map(str::to_owned);
            for call in calls.into_iter().chain(others) {
                assert!(limit.contains(&format!("`{call}`")), "{backend}: {call}");
            }
        }
    }
}
