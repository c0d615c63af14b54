#!/bin/sh
# Connections that are slow, idle or too many, and what the broker says to systemd. door.py has
# the cases, "a head, byte by byte" among them.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck source=tests/cli/door_lib.sh
. "$(dirname "$0")/door_lib.sh"
for what in slow descriptors flood service; do
    door "$what"
done
exit "$failed"
