#!/usr/bin/env bash
# Runs the daemon for 64-bit ARM with QEMU on another machine, against simulated services: version, help, configuration,
# and one task that is completed in ClickUp. It needs qemu-aarch64-static (Debian's qemu-user-static), curl, and an ivan of
# this machine with its sandbox (IVAN=target/debug/ivan).
#
#   deploy/try-arm.sh [FILE]      FILE is the newest tarball for ARM in target/packages, unless it is given
set -euo pipefail
cd "$(dirname "$0")/.."
sandbox=$(realpath "${IVAN:-target/debug/ivan}")
tarball=$(realpath "${1:-$(find target/packages -name 'ivan-*-aarch64-linux.tar.gz' -printf '%T@ %p\n' | sort -rn | sed -n '1s/^[^ ]* //p')}")
work=$(mktemp -d)
running=()
# shellcheck disable=SC2317,SC2329  # the trap calls it
cleanup() {
    for pid in "${running[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work"
tar -xzf "$tarball" --strip-components=1
arm() { qemu-aarch64-static ./ivan "$@"; }

# Waits until a command succeeds. The daemon starts slowly under QEMU.
until_true() {
    local what=$1
    shift
    for _ in $(seq 600); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    echo "✗ $what: not within 60 s" >&2
    tail -n 20 ./*.log >&2 || true
    exit 1
}

file -b ivan
arm --version
arm --help | grep '^  serve '

"$sandbox" sandbox >sandbox.env 2>sandbox.log &
running+=($!)
until_true "the sandbox starts" grep -q SANDBOX_URL sandbox.env
# shellcheck disable=SC1091  # the sandbox writes it
. ./sandbox.env
port=${TRY_PORT:-48200}
cat >bot.toml <<TOML
store.path = "$work/ivan.db"
api.bind = "127.0.0.1:$port"
webhooks.bind = "127.0.0.1:$((port + 1))"
slack.app_token = "$SLACK_APP_TOKEN"
slack.bot_token = "$SLACK_BOT_TOKEN"
slack.api_url = "$SLACK_API_URL"
clickup.token = "$CLICKUP_TOKEN"
clickup.team_id = "$CLICKUP_TEAM_ID"
clickup.list_id = "$CLICKUP_LIST_ID"
clickup.api_url = "$CLICKUP_API_URL"
github.token = "$GITHUB_TOKEN"
github.repo = "$GITHUB_REPOSITORY"
github.api_url = "$GITHUB_API_URL"
[[people]]
name = "Ana"
slack = "U0ANN01"
github = "ana"
clickup = "4242"
TOML
chmod 600 bot.toml
arm --config bot.toml config check

XDG_RUNTIME_DIR=$work qemu-aarch64-static ./ivan --config bot.toml serve >ivan.log 2>&1 &
daemon=$!
running+=("$daemon")
until_true "Ivan is ready" curl -sf "http://127.0.0.1:$port/readyz"
says() {
    curl -sf "$SANDBOX_URL/slack/say" -H 'content-type: application/json' -d "{\"user\": \"ana\", \"text\": \"$1\"}" >/dev/null
}
answered() { curl -sf "$SANDBOX_URL/slack?user=ana" | grep -qF "$1"; }
until_true "the tasks are read" grep -q 'poll done source=clickup' ivan.log
says current
until_true "the current task is shown" answered 'Renew the certificate'
says 'done'
until_true "the task is completed" answered '✓ Task completed'
curl -sf -H "authorization: $CLICKUP_TOKEN" "$CLICKUP_API_URL/task/86tst0001" | grep -o '"status":"[a-z ]*"' | head -n 1
arm --config bot.toml status | head -n 5
kill -TERM "$daemon"
status=0
wait "$daemon" || status=$?
[ "$status" = 0 ] || { echo "✗ the daemon ended with $status" >&2; cat ivan.log >&2; exit 1; }
echo "The daemon for ARM completes a task."
