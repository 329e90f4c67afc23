#!/usr/bin/env bash
# Builds the daemon for production, without the demo and its sandbox, and a bill of materials beside it. The same commit
# with the same toolchain gives the same bytes in every folder (deploy/reproduce.sh shows it).
#
#   deploy/release.sh [PROFILE [TARGET]]
#
# PROFILE is `release` (the default) or `dist`. TARGET is a target of rustc, such as x86_64-unknown-linux-musl, whose
# binaries are static; without it the binary is for this machine. cargo-zigbuild is used for a TARGET where it is installed.
# FEATURES are `jq` unless they are set.
#
# Result: target/package/ with ivan, ivan.cdx.json (if cargo-cyclonedx is installed) and SHA256SUMS.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:-release}
triple=${2:-}
features=${FEATURES:-jq}
target=$PWD/target
package=$target/package

# Without this, paths of this machine get into panic messages, and into what C compilers put into their objects.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
separator=$'\x1f'
export CARGO_ENCODED_RUSTFLAGS="--remap-path-prefix=$PWD=/ivan${separator}--remap-path-prefix=$cargo_home=/cargo"
export CFLAGS="-ffile-prefix-map=$PWD=/ivan -ffile-prefix-map=$cargo_home=/cargo${CFLAGS:+ $CFLAGS}"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo "${SOURCE_DATE_EPOCH:-0}")
export SOURCE_DATE_EPOCH
# One place for the result, independent of the caller's settings.
export CARGO_TARGET_DIR=$target
export CARGO_INCREMENTAL=0

build=build
if [ -n "$triple" ] && command -v cargo-zigbuild >/dev/null; then
    build=zigbuild
fi
cargo "$build" --locked --no-default-features --features "$features" --profile "$profile" ${triple:+--target "$triple"} --bin ivan

rm -rf "$package"
mkdir -p "$package"
cp "$target/${triple:+$triple/}$profile/ivan" "$package/ivan"
# A binary for another machine does not run here: a sentence of the sandbox's control API shows whether it has that.
help=$("$package/ivan" --help 2>/dev/null) || help=
if [[ " ${features//,/ } " != *" demo "* ]] &&
    { grep -qE '^  (demo|sandbox) ' <<<"$help" || grep -qaF 'docs/sandbox.md lists them' "$package/ivan"; }; then
    echo "the build has the sandbox in it" >&2
    exit 1
fi
if grep -qaF -e "$PWD" -e "$cargo_home" "$package/ivan"; then
    echo "the build has paths of this machine in it" >&2
    exit 1
fi

if command -v cargo-cyclonedx >/dev/null; then
    cargo cyclonedx --quiet --format json --no-default-features --features "$features" \
        --target "${triple:-$(rustc -vV | sed -n 's/^host: //p')}" \
        --override-filename ivan.cdx
    sed "s|$PWD|/ivan|g" ivan.cdx.json >"$package/ivan.cdx.json"
    rm ivan.cdx.json
else
    echo "cargo-cyclonedx is not installed: there is no bill of materials (cargo install --locked cargo-cyclonedx)" >&2
fi
(cd "$package" && sha256sum -- * >SHA256SUMS && cat SHA256SUMS)
