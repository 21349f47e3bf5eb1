//! Reads the sources and holds what a compiler does not: which layer may know which, how long a file may
//! grow, and what must not be written at all.

use std::fs;
use std::path::{Path, PathBuf};

/// The engine's layers, lowest first. A module may use its own layer and those below it.
const LAYERS: [&[&str]; 6] = [
    &["domain"],
    // What comes in, read without I/O.
    &["inbound"],
    &["store"],
    &["protocol"],
    // The actors, and the context that they share: they name each other's messages.
    &["shard", "journal", "wheel", "contact", "sender", "partition", "directory", "campaign"],
    &["engine"],
];

/// Crates that the engine must not know: HTTP serving is the server's.
const NOT_IN_ENGINE: [&str; 2] = ["actix_web", "sendwheel"];

/// How many of the lowest layers are pure.
const PURE_LAYERS: usize = 2;

/// Crates that a pure layer must not know: what it takes from a crate does no I/O.
const NOT_IN_PURE: [&str; 5] = ["actix", "tokio", "reqwest", "redis", "fjall"];

/// "About 400 lines", with room for the last test.
const LINES_MAX: usize = 450;

/// Files that may be longer, each with its reason.
const LONG_FILES: [(&str, &str); 2] = [
    ("actors/src/domain/message.rs", "one record with its states and their arrows, read side by side"),
    ("actors/src/protocol/api.rs", "the requests and answers of one surface, nearly all of it documentation"),
];

/// Folders of somebody's machine.
const MACHINE_FOLDERS: [&str; 4] = ["home", "root", "Users", "work"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `folders` whose names end so, as paths relative to the workspace.
fn files(folders: &[&str], endings: &[&str]) -> Vec<(String, String)> {
    let mut pending: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("a folder of the workspace can be listed").path();
            if path.is_dir() {
                pending.push(path);
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                let name = path.strip_prefix(root()).expect("it lies in the workspace").to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).expect("a source file is readable text")));
            }
        }
    }
    found.sort();
    found
}

/// The code without comments, and with the insides of strings and characters blanked.
fn code_of(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let starts = |at: usize, text: &str| text.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c));
    let mut code = String::new();
    let mut at = 0;
    while at < chars.len() {
        if starts(at, "//") {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if starts(at, "/*") {
            while at < chars.len() && !starts(at, "*/") {
                at += 1;
            }
            at += 2;
        } else if chars[at] == 'r' && (starts(at, "r\"") || starts(at, "r#")) && !is_name_before(&chars, at) {
            let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            let end: String = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            at += 1 + hashes;
            if chars.get(at) == Some(&'"') {
                at += 1;
                while at < chars.len() && !starts(at, &end) {
                    at += 1;
                }
                at += end.len();
            }
            code.push_str("\"\"");
        } else if chars[at] == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += 1 + usize::from(chars[at] == '\\');
            }
            at += 1;
            code.push_str("\"\"");
        } else if chars[at] == '\'' && (starts(at + 1, "\\") || chars.get(at + 2) == Some(&'\'')) {
            at += 2 + usize::from(chars[at + 1] == '\\');
            while at < chars.len() && chars[at] != '\'' {
                at += 1;
            }
            at += 1;
            code.push_str("' '");
        } else {
            code.push(chars[at]);
            at += 1;
        }
    }
    code
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_name_before(chars: &[char], at: usize) -> bool {
    at > 0 && is_name(chars[at - 1])
}

fn leading_name(text: &str) -> &str {
    let text = text.trim_start();
    &text[..text.find(|c| !is_name(c)).unwrap_or(text.len())]
}

/// The names that stand directly behind `path::` wherever it begins a path, also inside braces.
fn names_behind(code: &str, path: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(path) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| is_name(c) || c == ':') {
            continue;
        }
        let rest = code[at + path.len()..].trim_start();
        let Some(group) = rest.strip_prefix('{') else {
            names.push(leading_name(rest).to_owned());
            continue;
        };
        let (mut depth, mut is_start) = (0, true);
        for (offset, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => is_start = true,
                c if is_start && is_name(c) => {
                    names.push(leading_name(&group[offset..]).to_owned());
                    is_start = false;
                }
                _ => {}
            }
        }
    }
    names
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// What is wrong with the arrows of one file of the engine, `path` being relative to its `src`.
fn wrong_arrows(path: &str, code: &str) -> Vec<String> {
    let module = path.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    let mut wrong: Vec<String> = NOT_IN_ENGINE
        .iter()
        .filter(|name| names_used(code, name))
        .map(|name| format!("the engine uses `{name}`: HTTP belongs to the server"))
        .collect();
    if module == "lib" {
        return wrong;
    }
    let Some(layer) = layer_of(module) else {
        wrong.push(format!("module `{module}` stands in no layer: add it to LAYERS"));
        return wrong;
    };
    if layer < PURE_LAYERS {
        let impure = NOT_IN_PURE.iter().filter(|name| names_used(code, name));
        wrong.extend(impure.map(|name| format!("`{module}` uses `{name}`: it is pure")));
    }
    let depth = path.trim_end_matches(".rs").trim_end_matches("/mod").split('/').count();
    // As many `super` as the file is deep, or one more from an inline module, reach the crate's root.
    let from_root = (depth..=depth + 1).map(|count| "super::".repeat(count));
    for prefix in std::iter::once("crate::".to_owned()).chain(from_root) {
        for name in names_behind(code, &prefix) {
            if layer_of(&name).is_some_and(|target| target > layer) {
                wrong.push(format!("`{module}` uses `{name}`, which stands above it"));
            }
        }
    }
    wrong
}

/// Whether the code has a path that begins with this crate.
fn names_used(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        let is_whole = !before.is_some_and(|c| is_name(c) || c == ':') && !after.is_some_and(is_name);
        let rest = code[at + name.len()..].trim_start();
        let is_path = rest.starts_with("::") || code[..at].trim_end().ends_with("use");
        is_whole && is_path
    })
}

/// What must not be written, in code or beside it.
fn unwanted(source: &str) -> Vec<String> {
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|halves| halves.concat());
    let mut found = Vec::new();
    for mark in marks {
        let is_word = source.match_indices(&mark).any(|(at, _)| {
            let around = [source[..at].chars().next_back(), source[at + mark.len()..].chars().next()];
            !around.into_iter().flatten().any(is_name)
        });
        if is_word {
            found.push(format!("has a `{mark}`: do it, or say in the documentation what is missing"));
        }
    }
    for folder in MACHINE_FOLDERS {
        let path = format!("/{folder}/");
        let is_absolute = source.match_indices(&path).any(|(at, _)| {
            !source[..at].chars().next_back().is_some_and(|c| is_name(c) || matches!(c, '.' | '-' | '}' | '*'))
        });
        if is_absolute {
            found.push(format!("names `{path}`, a folder of one machine"));
        }
    }
    found
}

fn unfinished(code: &str) -> Vec<String> {
    ["todo", "unimplemented", "dbg"]
        .into_iter()
        .filter(|name| code.contains(&format!("{name}!(")) || code.contains(&format!("{name}!()")))
        .map(|name| format!("calls `{name}!`"))
        .collect()
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} finding(s):\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn dependencies_of_the_engine_point_one_way() {
    let sources = files(&["actors/src"], &[".rs"]);
    assert!(sources.len() > 5, "the engine's sources were not found");
    let wrong: Vec<String> = sources
        .iter()
        .flat_map(|(name, source)| {
            let path = name.strip_prefix("actors/src/").unwrap_or(name);
            wrong_arrows(path, &code_of(source)).into_iter().map(move |what| format!("{name}: {what}"))
        })
        .collect();
    assert_none(&wrong);
}

#[test]
fn files_stay_short_enough_to_read() {
    let sources = files(&["src", "actors", "loadtest", "tests", "fuzz/targets"], &[".rs"]);
    let wrong: Vec<String> = sources
        .iter()
        .filter(|(name, _)| !LONG_FILES.iter().any(|(long, _)| long == name))
        .map(|(name, source)| (name, source.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(name, lines)| format!("{name}: {lines} lines: split it by role"))
        .collect();
    assert_none(&wrong);
    for (long, _) in LONG_FILES {
        assert!(
            sources.iter().any(|(name, source)| name == long && source.lines().count() > LINES_MAX),
            "{long} is short now: take it off LONG_FILES"
        );
    }
}

#[test]
fn nothing_is_left_unfinished_or_tied_to_one_machine() {
    let folders = ["src", "actors", "loadtest", "tests", "fuzz/targets", "scripts", ".config", ".ci"];
    let mut sources = files(&folders, &[""]);
    sources.retain(|(name, _)| !name.ends_with(".min.js"));
    for name in ["Cargo.toml", "clippy.toml", "deny.toml", "docker-compose.yml", "CONTRIBUTING.md"] {
        sources.push((name.to_owned(), fs::read_to_string(root().join(name)).expect("it is there")));
    }
    let wrong: Vec<String> = sources
        .iter()
        .flat_map(|(name, source)| {
            let code = if name.ends_with(".rs") { unfinished(&code_of(source)) } else { Vec::new() };
            unwanted(source).into_iter().chain(code).map(move |what| format!("{name}: {what}"))
        })
        .collect();
    assert_none(&wrong);
}

mod checker {
    use super::*;

    #[test]
    fn an_arrow_that_points_upwards_is_found_however_it_is_written() {
        for code in [
            "use crate::journal::Commit;",
            "use crate::{domain::ids, contact::{Contact, x}};",
            "fn f() { crate::engine::start() }",
            "use super::super::sender::pool;",
        ] {
            assert_eq!(wrong_arrows("store/redis.rs", code).len(), 1, "{code}");
        }
    }

    #[test]
    fn arrows_downwards_and_sideways_are_free() {
        let code = "use crate::{domain::ids::Id, store::{Batch, engine}}; use super::journal; use crate::wheel::Wheel;";
        assert_eq!(wrong_arrows("contact/actor.rs", code), Vec::<String>::new());
    }

    #[test]
    fn the_engine_may_not_serve_and_the_domain_may_not_wait() {
        assert_eq!(wrong_arrows("engine.rs", "use actix_web::web;").len(), 1);
        assert_eq!(wrong_arrows("domain/clock.rs", "async fn f() { tokio::time::sleep(d).await }").len(), 1);
        assert_eq!(wrong_arrows("domain/clock.rs", "let tokio = my::tokio::x;"), Vec::<String>::new());
        assert_eq!(wrong_arrows("inbound/email.rs", "use tokio::net::TcpStream; use crate::store::Batch;").len(), 2);
        assert_eq!(wrong_arrows("inbound/email.rs", "use crate::domain::address::Mailbox;"), Vec::<String>::new());
        assert_eq!(wrong_arrows("novelty/mod.rs", "").len(), 1);
    }

    #[test]
    fn comments_and_strings_are_no_code() {
        let source = "// use crate::engine::x;\nlet a = \"crate::engine::y \\\" \"; /* crate::engine::z */\n\
                      let b = r#\"crate::engine::\"w\"\"#; let c = '\"'; let d: &'static str = \"'\";";
        let code = code_of(source);
        assert!(!code.contains("crate"), "{code}");
        assert!(code.contains("'static str"), "{code}");
    }

    #[test]
    fn marks_macros_and_machine_paths_are_found() {
        let mark = ["TO", "DO"].concat();
        assert_eq!(unwanted(&format!("// {mark}: later")).len(), 1);
        assert_eq!(unwanted(&format!("{mark}S are fine as a name")).len(), 0);
        assert_eq!(unwanted(&format!("open(\"/{}/me/x\")", "home")).len(), 1);
        assert_eq!(unwanted("https://example.com/home/ and src/work/x").len(), 0);
        assert_eq!(unfinished(&format!("fn f() {{ {}!() }}", "todo")).len(), 1);
    }
}
