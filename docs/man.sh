#!/bin/sh
# man.sh CLOISTER FOLDER: writes a page for every command (and list of commands) below the install prefix.
set -eu
cloister=$1
folder=${MESON_INSTALL_DESTDIR_PREFIX:?}/$2
mkdir -p "$folder"

"$cloister" --help=man >"$folder/cloister.1"
"$cloister" --help=commands | while IFS= read -r command; do
    # shellcheck disable=SC2086 # a command is one word or two
    set -- $command
    "$cloister" "$@" --help=man >"$folder/cloister-$(printf %s "$command" | tr ' ' -).1"
    [ $# = 1 ] || [ -e "$folder/cloister-$1.1" ] || "$cloister" "$1" --help=man >"$folder/cloister-$1.1"
done
