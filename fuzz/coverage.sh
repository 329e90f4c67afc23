#!/usr/bin/env bash
# The share of each source file's edges that the inputs of a target cover: those of fuzz/corpus and fuzz/found. A function
# counts for the file that it begins in, with everything that is inlined into it. Run fuzz/run.sh before; needs a C
# compiler and llvm-addr2line, since the addr2line of binutils takes hours.
#
#   fuzz/coverage.sh TARGET [PART-OF-PATH]      only files with that part, such as `hook.rs`
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?"usage: fuzz/coverage.sh TARGET [PART-OF-PATH]"}
program=${PROGRAM:-$(ls fuzz/target/*/release/"$target")}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cc -shared -fPIC -O -o "$folder/coverage.so" fuzz/coverage.c
mkdir -p "fuzz/found/$target"
LD_PRELOAD=$folder/coverage.so "$program" -runs=0 -print_coverage=1 "fuzz/found/$target" "fuzz/corpus/$target" \
    >"$folder/log" 2>&1
# `COVERED_FUNC: hits: 3 edges: 5/10 0x1f0 0x1f0:0x1f0`
sed -n 's/^\(UN\)\?COVERED_FUNC: hits: [0-9]* edges: \([0-9]*\)\/\([0-9]*\) \(0x[0-9a-f]*\) .*/\2 \3 \4/p' "$folder/log" \
    >"$folder/functions"
cut -d ' ' -f 3 "$folder/functions" | "${ADDR2LINE:-llvm-addr2line}" -e "$program" >"$folder/lines"
paste -d ' ' "$folder/functions" "$folder/lines" | awk -v part="${2:-}" '
    $4 !~ /\/(registry|rustc)\// && match($4, /src\/[a-z_\/]+\.rs/) {
        file = substr($4, RSTART, RLENGTH)
        if (index(file, part) == 0) next
        hit[file] += $1
        all[file] += $2
    }
    END { for (file in all) printf "%5.1f %%  %5d of %5d edges  %s\n", 100 * hit[file] / all[file], hit[file], all[file], file }
' | sort -k6
