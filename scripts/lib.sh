# Sourced by the other scripts: what they all need. Not run by itself.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

# One target directory for all of them, so that nothing is built twice.
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"
export CARGO_NET_RETRY="${CARGO_NET_RETRY:-5}"

say() { printf '\n== %s\n' "$*"; }
has() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs Debian packages that are missing. Services that a package would start stay off: the tests start
# their own on free ports, and a daemon on a fixed one would only be mistaken for theirs.
ensure_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if [ "${#missing[@]}" -eq 0 ]; then return; fi
    if ! has apt-get; then
        echo "install these first: ${missing[*]}" >&2
        return 1
    fi
    say "install ${missing[*]}"
    local policy=/usr/sbin/policy-rc.d ours=''
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        ours=yes
    fi
    local result=0
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" || result=$?
    if [ -n "$ours" ]; then as_root rm -f "$policy"; fi
    return "$result"
}

# Installs a cargo tool that is missing: ensure_cargo_tool PROGRAM CRATE
ensure_cargo_tool() {
    if has "$1"; then return; fi
    say "install $2"
    cargo install --locked "$2"
}
