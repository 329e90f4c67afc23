#!/usr/bin/env bash
# Packages a static daemon for Linux: a tarball, and a .deb and an .rpm where their tools are installed.
#
#   deploy/package.sh [TARGET]
#
# TARGET is x86_64-unknown-linux-musl (the default) or aarch64-unknown-linux-musl. The first is built with musl's compiler
# (Debian's musl-tools) or cargo-zigbuild, the other with cargo-zigbuild. Manual pages and completions come from the binary,
# which runs here or with QEMU (Debian's qemu-user-static). FEATURES are `jq` unless they are set; `demo jq` adds the demo.
#
# Result: target/packages/ with everything that was packaged so far, and SHA256SUMS. DOWNLOADS=https://… is the address
# where that folder will be: a Homebrew formula is made for it, too.
#
# cargo install --locked cargo-deb cargo-generate-rpm cargo-zigbuild cargo-cyclonedx; zig: pip install ziglang
set -euo pipefail
cd "$(dirname "$0")/.."
triple=${1:-x86_64-unknown-linux-musl}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
export CARGO_TARGET_DIR=$PWD/target
out=target/packages
share=target/share
debian=target/debian
mkdir -p "$out"

deploy/release.sh dist "$triple"
binary=target/package/ivan
if file -b "$binary" | grep -q 'dynamically linked'; then
    echo "$binary is not static" >&2
    exit 1
fi

runner=()
if ! "$binary" --version >/dev/null 2>&1; then
    runner=("qemu-${triple%%-*}-static")
    command -v "${runner[0]}" >/dev/null || {
        echo "a binary for $triple does not run here, and ${runner[0]} is not installed" >&2
        exit 1
    }
fi
ivan() { "${runner[@]}" "$binary" "$@"; }
rm -rf "$share" "$debian"
mkdir -p "$share/man" "$share/completions" "$debian"
ivan man "$share/man"
gzip -9n "$share"/man/*.1
ivan completions bash >"$share/completions/ivan"
ivan completions zsh >"$share/completions/_ivan"
ivan completions fish >"$share/completions/ivan.fish"
# Debian has a changelog of the package beside the program's own.
gzip -9nc CHANGELOG.md >"$debian/changelog.gz"
cat >"$debian/changelog" <<END
ivan ($version-1) stable; urgency=medium

  * See changelog.gz in this folder.

 -- $(sed -n 's/^maintainer = "\(.*\)"/\1/p' Cargo.toml)  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END
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
# A tarball is installed by hand, below /usr/local.
sed -e 's|target/release/ivan|ivan|' -e 's|deploy/ivan.service|ivan.service|' deploy/ivan.service >"$staged/$name/ivan.service"
if [ -f target/package/ivan.cdx.json ]; then
    cp target/package/ivan.cdx.json "$staged/$name/"
    cp target/package/ivan.cdx.json "$out/$name.cdx.json"
fi
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
