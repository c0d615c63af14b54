#!/bin/sh
# Requests that no client should send, byte for byte over TLS. door.py has the cases,
# "a body of auth that is too large" among them.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck source=tests/cli/door_lib.sh
. "$(dirname "$0")/door_lib.sh"
door http
exit "$failed"
