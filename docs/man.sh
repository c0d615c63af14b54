#!/bin/sh
# man.sh CLOISTER SIM FOLDER: writes the man pages below the install prefix. Section 1 is what --help says, for every command (and list of
# commands); sections 5 and 7 are pages of docs/.
set -eu
cloister=$1 sim=$2
folder=${MESON_INSTALL_DESTDIR_PREFIX:?}/$3
docs=$(dirname "$0")
mkdir -p "$folder/man1" "$folder/man5" "$folder/man7"

"$cloister" --help=man >"$folder/man1/cloister.1"
"$sim" --help=man >"$folder/man1/cloister-sim.1"
"$cloister" --help=commands | while IFS= read -r command; do
    # shellcheck disable=SC2086 # a command is one word or two
    set -- $command
    "$cloister" "$@" --help=man >"$folder/man1/cloister-$(printf %s "$command" | tr ' ' -).1"
    [ $# = 1 ] || [ -e "$folder/man1/cloister-$1.1" ] || "$cloister" "$1" --help=man >"$folder/man1/cloister-$1.1"
done

version=$("$cloister" version | cut -d ' ' -f 2)
# page NAME SECTION WHAT FILE [HEADING]
page() {
    name=$1 section=$2 what=$3 file=$docs/$4
    shift 4
    python3 "$docs/man_page.py" "$name" "$section" "$what" "$version" "$file" "$@" >"$folder/man$section/$name.$section"
}
page cloister-policy 5 'what evidence must show before a key is released' formats/policy.md
page cloister-reference 5 'reference values: what an image will measure' formats/reference.md
page guest.json 5 "what a confidential VM's initrd knows of its broker and its disk" guest.md guest.json
page cloister-errors 7 'the code at the end of an error, and what to do' errors.md
page cloister-initrd 7 "how dracut's and initramfs-tools' initrds open a Cloister disk" initrd.md
page cloister 7 'confidential VMs: which command is for what' map.md
