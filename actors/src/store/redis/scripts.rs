//! The Lua scripts: each is one file, whose head comment names keys, arguments and replies.

use std::sync::LazyLock;

use redis::Cmd;

/// A script and the hash that the server knows it by.
pub(super) struct Script {
    source: String,
    script: redis::Script,
}

impl Script {
    fn new(source: String) -> Self {
        let script = redis::Script::new(&source);
        Self { source, script }
    }

    /// SHA-1 of the source, in hex.
    pub(super) fn hash(&self) -> &str {
        self.script.get_hash()
    }

    /// The command with the whole source: the server keeps it.
    pub(super) fn in_full(&self, arguments: impl Fn(&mut Cmd)) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(&self.source);
        arguments(&mut command);
        command
    }

    /// The command that loads it.
    pub(super) fn load(&self) -> Cmd {
        let mut command = redis::cmd("SCRIPT");
        command.arg("LOAD").arg(&self.source);
        command
    }
}

const WITH_OOM: &str = "#!lua flags=allow-oom\n";

/// Every script.
pub(super) struct Scripts {
    /// Commits that may use the reserve.
    pub(super) commit: Script,
    /// Commits of new work: refused when memory is full.
    pub(super) commit_growth: Script,
    pub(super) range: Script,
    pub(super) acquire: Script,
    pub(super) renew: Script,
    pub(super) release: Script,
    pub(super) redraw: Script,
    pub(super) now: Script,
}

impl Scripts {
    pub(super) fn all(&self) -> [&Script; 8] {
        [
            &self.commit,
            &self.commit_growth,
            &self.range,
            &self.acquire,
            &self.renew,
            &self.release,
            &self.redraw,
            &self.now,
        ]
    }
}

pub(super) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| {
    let commit = include_str!("../scripts/commit.lua");
    let growth = commit.replacen(WITH_OOM, "#!lua\n", 1);
    Scripts {
        commit: Script::new(commit.to_owned()),
        commit_growth: Script::new(growth),
        range: Script::new(include_str!("../scripts/range.lua").to_owned()),
        acquire: Script::new(include_str!("../scripts/acquire.lua").to_owned()),
        renew: Script::new(include_str!("../scripts/renew.lua").to_owned()),
        release: Script::new(include_str!("../scripts/release.lua").to_owned()),
        redraw: Script::new(include_str!("../scripts/redraw.lua").to_owned()),
        now: Script::new(include_str!("../scripts/now.lua").to_owned()),
    }
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_growth_commits_may_be_refused_for_memory() {
        for script in SCRIPTS.all() {
            let flags = script.source.lines().next().unwrap();
            let is_growth = script.hash() == SCRIPTS.commit_growth.hash();
            assert_eq!(is_growth, flags == "#!lua", "{flags}");
        }
        assert_ne!(SCRIPTS.commit.hash(), SCRIPTS.commit_growth.hash());
    }
}
