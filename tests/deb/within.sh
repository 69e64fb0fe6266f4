#!/bin/sh
# Installs, uses, removes and purges the package given as $1 in a copy of this machine: an overlay whose writes
# stay in a temporary file system. `unshare` gives it mounts and processes of its own, which end with it.
# Prints what the test compares, as `name: value`.
set -eu
# Of an ordinary user's path, the folder with chroot may be missing.
PATH=$PATH:/usr/sbin:/sbin
deb=$1
where=$(mktemp -d)
mount -t tmpfs tmpfs "$where"
mkdir "$where/upper" "$where/work" "$where/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$where/upper,workdir=$where/work" "$where/root"
mount -t proc proc "$where/root/proc"
mount -t tmpfs tmpfs "$where/root/run"
mount --bind /dev "$where/root/dev"
cp "$deb" "$where/root/tracker.deb"

in_copy() {
    chroot "$where/root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"
}
say() {
    echo "$1: $2"
}
facts() {
    say "$1.user" "$(in_copy getent passwd distcompute | cut -d: -f1,6,7)"
    for path in /var/lib/distcompute /etc/distcompute/tracker.toml /etc/distcompute/admin-token \
        /usr/bin/distcompute-tracker /usr/lib/systemd/system/distcompute-tracker.service; do
        say "$1 $path" "$(in_copy stat -c '%U %a' "$path" 2> /dev/null || echo none)"
    done
}

facts before
in_copy dpkg --install /tracker.deb > /dev/null
facts installed
wanted=/etc/systemd/system/multi-user.target.wants/distcompute-tracker.service
say enabled "$(in_copy test -L $wanted && echo yes || echo no)"
say status "$(in_copy dpkg-query --show --showformat '${Status}' distcompute-tracker)"
if command -v systemd-analyze > /dev/null; then
    say faults "$(in_copy systemd-analyze verify distcompute-tracker.service 2>&1 || true)"
fi

# As the unit starts it: the credential's file, the user, the folder, the command.
unit=$where/root/usr/lib/systemd/system/distcompute-tracker.service
start=$(sed -n 's/^ExecStart=//p' "$unit")
check=$(sed -n 's/^ExecStartPre=//p' "$unit")
folder=$(sed -n 's/^WorkingDirectory=//p' "$unit")
in_copy install --owner distcompute --mode 0400 /etc/distcompute/admin-token /run/admin-token
as_unit() {
    in_copy env --chdir="$folder" DISTCOMPUTE_ADMIN_TOKEN_FILE=/run/admin-token \
        setpriv --reuid distcompute --regid distcompute --clear-groups "$@"
}
say checked "$(as_unit $check > /dev/null 2>&1 && echo good || echo bad)"
as_unit sh -c 'echo $$ >&3; exec "$@"' sh $start --listen 127.0.0.1:0 \
    > "$where/said" 2> "$where/log" 3> "$where/pid" &
running=$!
until grep -q '^listening on' "$where/said"; do
    kill -0 "$running" || { cat "$where/log" >&2; exit 1; }
    sleep 0.1
done
url=$(sed -n 's/^listening on \(.*[^/]\)\/*$/\1/p' "$where/said")
token=$(cat "$where/root/etc/distcompute/admin-token")
add() {
    printf '"one"\n"two"\n' | curl -s -o /dev/null -w '%{http_code}' -H 'content-type: text/plain' --data-binary @- \
        "$@" "$url/api/jobs"
}
say added "$(add -H "Authorization: Bearer $token")"
say refused "$(add)"
say database "$(stat -c '%a' "$where/root/var/lib/distcompute/jobs.db")"
kill "$(cat "$where/pid")"
wait "$running" && say stopped orderly

echo "# a change" >> "$where/root/etc/distcompute/tracker.toml"
in_copy dpkg --install --force-confold /tracker.deb > /dev/null
say token "$([ "$token" = "$(cat "$where/root/etc/distcompute/admin-token")" ] && echo kept || echo new)"
in_copy dpkg --remove distcompute-tracker > /dev/null
facts removed
in_copy dpkg --purge distcompute-tracker > /dev/null 2>&1
facts purged

# Without a database nothing is left.
rm -r "$where/root/var/lib/distcompute"
in_copy deluser --quiet --system distcompute
in_copy dpkg --install /tracker.deb > /dev/null
in_copy dpkg --purge distcompute-tracker > /dev/null 2>&1
facts clean
