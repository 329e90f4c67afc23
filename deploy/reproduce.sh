#!/usr/bin/env bash
# Builds the committed state twice, in two new folders with names of different length, and compares the results byte by
# byte. Takes as long as two release builds.
#
#   deploy/reproduce.sh [PROFILE]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for copy in "$folder/one" "$folder/the-other"; do
    mkdir "$copy"
    git archive HEAD | tar -x -C "$copy"
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) "$copy/deploy/release.sh" "$@"
done
diff -r "$folder/one/target/package" "$folder/the-other/target/package"
echo "Both builds are equal, byte by byte."
