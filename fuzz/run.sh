#!/usr/bin/env bash
# Fuzzes each target, or the named ones, for that many seconds. Needs cargo-fuzz (`cargo install --locked cargo-fuzz`) and
# a C++ compiler; the stable toolchain will do.
#
#   fuzz/run.sh SECONDS [TARGET…]
#
# Inputs with new coverage go to fuzz/found/TARGET, inputs that fail to fuzz/artifacts/TARGET. Move the latter, made small
# by `cargo fuzz tmin`, into fuzz/corpus/TARGET together with the mend: the ordinary tests run the corpus too.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?"usage: fuzz/run.sh SECONDS [TARGET…]"}
shift
[ $# -gt 0 ] || set -- $(sed -n 's/^name = "\([a-z_]*\)"$/\1/p' fuzz/Cargo.toml)
export RUSTC_BOOTSTRAP=1
# The stack of a thread in the daemon.
ulimit -s 2048
for target in "$@"; do
    mkdir -p "fuzz/found/$target"
    # Without a sanitizer: Ivan has no unsafe code, and the run is several times as fast.
    cargo fuzz run --sanitizer none "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=2 -max_len=65536 -rss_limit_mb=2048 -dict=fuzz/dictionary \
        -print_final_stats=1
done
