#!/usr/bin/env bash
# Packages a static daemon for Linux: a tarball, and a .deb and an .rpm where their tools are installed.
#
#   deploy/package.sh [TARGET]
#
# TARGET is x86_64-unknown-linux-musl (the default) or aarch64-unknown-linux-musl. The first is built with musl's compiler
# (Debian's musl-tools) or cargo-zigbuild, the other with cargo-zigbuild. FEATURES are `jq` unless they are set; `demo jq`
# adds the demo.
#
# Result: target/packages/ with everything that was packaged so far, and SHA256SUMS. DOWNLOADS=https://… is the address
# where that folder will be: a Homebrew formula is made for it, too.
#
# cargo install --locked cargo-deb cargo-generate-rpm cargo-zigbuild
set -euo pipefail
cd "$(dirname "$0")/.."
triple=${1:-x86_64-unknown-linux-musl}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
export CARGO_TARGET_DIR=$PWD/target
out=target/packages
share=target/share
mkdir -p "$out"

deploy/release.sh dist "$triple"
binary=target/package/ivan
if file -b "$binary" | grep -q 'dynamically linked'; then
    echo "$binary is not static" >&2
    exit 1
fi

# The same for every machine, so a binary that cannot run here uses what another has made.
if "$binary" --version >/dev/null 2>&1; then
    rm -rf "$share"
    mkdir -p "$share/man" "$share/completions"
    "$binary" man "$share/man"
    gzip -9n "$share"/man/*.1
    "$binary" completions bash >"$share/completions/ivan"
    "$binary" completions zsh >"$share/completions/_ivan"
    "$binary" completions fish >"$share/completions/ivan.fish"
elif [ ! -d "$share" ]; then
    echo "a binary for $triple does not run here: package for this machine first, for manual pages and completions" >&2
    exit 1
fi
# Packages own /usr, administrators /usr/local.
sed -e 's|/usr/local/bin/ivan|/usr/bin/ivan|' -e '/^#   install -m 755 /d' -e '/^#   install -m 644 /d' \
    deploy/ivan.service >"$share/ivan.service"

# A tarball with the same bytes for the same commit.
pack() {
    tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -c "$@" | gzip -9n
}
name=ivan-$version-${triple%-unknown-linux-musl}-linux
staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT
mkdir "$staged/$name"
cp -r "$binary" "$share"/* bot.toml.example README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$staged/$name/"
[ ! -f target/package/ivan.cdx.json ] || cp target/package/ivan.cdx.json "$staged/$name/"
pack -C "$staged" "$name" >"$out/$name.tar.gz"

if command -v cargo-deb >/dev/null; then
    cargo deb --quiet --no-build --no-strip --target "$triple" --profile dist --output "$out/"
else
    echo "cargo-deb is not installed: there is no .deb" >&2
fi
if command -v cargo-generate-rpm >/dev/null; then
    cargo generate-rpm --target "$triple" --profile dist --output "$out/"
else
    echo "cargo-generate-rpm is not installed: there is no .rpm" >&2
fi

# Homebrew builds from the source.
git archive --prefix="ivan-$version/" HEAD | gzip -9n >"$out/ivan-$version.tar.gz"
if [ -n "${DOWNLOADS:-}" ]; then
    sum=$(sha256sum "$out/ivan-$version.tar.gz" | cut -d' ' -f1)
    sed -e "s|@URL@|${DOWNLOADS%/}/ivan-$version.tar.gz|" -e "s|@SHA256@|$sum|" deploy/ivan.rb.in >"$out/ivan.rb"
fi
(cd "$out" && rm -f SHA256SUMS && sha256sum -- * >SHA256SUMS && cat SHA256SUMS)
