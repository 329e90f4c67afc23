#!/usr/bin/env bash
# Installs the .deb into a new Debian root and runs it there without a network: version, manual page, unit, completions, and
# the demo if it was packaged (FEATURES="demo jq" deploy/package.sh). Needs root and Debian's debootstrap.
#
#   deploy/try-deb.sh [FILE]      FILE is the newest .deb for this machine in target/packages, unless it is given
set -euo pipefail
cd "$(dirname "$0")/.."
newest=$(find target/packages -name "*_$(dpkg --print-architecture).deb" -printf '%T@ %p\n' | sort -rn | sed -n '1s/^[^ ]* //p')
deb=${1:-$newest}
root=$(mktemp -d)
# Nothing stays behind, whatever ended the script.
trap 'rm -rf "$root" "$root.log"' EXIT
chmod 755 "$root"
debootstrap --variant=minbase --include=man-db stable "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$root.log" 2>&1 || {
    tail -n 5 "$root.log" >&2
    exit 1
}
cp "$deb" "$root/ivan.deb"

# In a network of its own, which has only a loopback.
inside() {
    unshare --net -- chroot "$root" /bin/sh -euc "$1"
}
inside 'dpkg -i /ivan.deb && dpkg -s ivan | grep -q "^Status: install ok installed"'
inside 'ivan --version'
inside 'test -f /lib/systemd/system/ivan.service -o -f /usr/lib/systemd/system/ivan.service'
inside 'zcat /usr/share/man/man1/ivan-done.1.gz | grep -q "ivan-done"'
inside 'grep -q ivan /usr/share/bash-completion/completions/ivan'
inside 'test ! -e /etc/ivan/bot.toml'
# Not through a pipe: grep would leave before everything is written, which ends the writer with an error.
help=$(inside 'ivan --help')
if grep -q '^  demo ' <<<"$help"; then
    # The demo needs a loopback that is up, and starts itself as the daemon (/proc/self/exe).
    # shellcheck disable=SC2016 # the inner shell expands it
    demo='ip link set lo up
        mount -t proc proc "$1/proc"
        exec chroot "$1" /bin/sh -c "cd /tmp; printf \"current\ndone\nundo\n!quit\n\" | ivan demo 2>&1"'
    said=$(unshare --net --mount -- sh -euc "$demo" - "$root") || true
    if ! grep -q '✓ Task completed' <<<"$said" || ! grep -q '✓ Undone' <<<"$said"; then
        echo "the demo did not complete a task and undo it: $said" >&2
        exit 1
    fi
    echo "The demo completes a task, without a network."
else
    echo "This package has no demo."
fi
inside 'dpkg -r ivan && test ! -e /usr/bin/ivan'
echo "The package installs, runs and is removed."
