#!/bin/sh
# Instructions of the release binary under callgrind: per `done`, per webhook, per unchanged task of a poll.
# They hardly differ between runs, also on a busy machine. It takes some minutes.
set -eu
cd "$(dirname "$0")/.."
if ! command -v valgrind >/dev/null 2>&1; then
    echo "valgrind is not installed: instructions cannot be counted here (Debian: apt install valgrind)" >&2
    exit 1
fi
exec cargo bench --locked --bench load -- instructions
