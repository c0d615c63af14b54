#!/bin/bash
# A root that is a folder, a tar, an OCI image of several layers: each becomes the same files; the last two boot, and are updated.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/vm/judge_lib.sh
. tests/vm/judge_lib.sh
# shellcheck source=tests/vm/converted_lib.sh
. tests/vm/converted_lib.sh

converted_begin converted-archive
tree=$LAB/tree
converted_tree "$tree"
vm_check "a folder: one command" converted_convert "$tree"
vm_check "a folder: file by file" converted_same "$tree"

converted_tar "$tree" "$LAB/root.tar"
converted tar "$LAB/root.tar" "$tree"

# The lower layer has the files, and more that the upper ones take away or replace; /opt comes with the second.
mkdir -p "$LAB/lower/srv/gone" "$LAB/upper/srv"
echo 1 >"$LAB/lower/srv/gone/file"
echo 1 >"$LAB/lower/srv/replaced"
: >"$LAB/upper/srv/.wh.gone"
: >"$LAB/upper/srv/.wh.replaced"
touch -r "$tree/srv" "$LAB/upper/srv"
tar --format=posix --xattrs --xattrs-include='*' --numeric-owner --sparse -C "$tree" --exclude ./opt -cf "$LAB/1.tar" .
tar --numeric-owner -C "$LAB/lower" -cf "$LAB/2.tar" srv/gone srv/replaced
tar --format=posix --xattrs --xattrs-include='*' --numeric-owner -C "$tree" -cf "$LAB/3.tar" ./opt
tar --format=posix --numeric-owner -C "$LAB/upper" -cf "$LAB/4.tar" ./srv
mkdir "$LAB/oci"
python3 tests/cli/oci.py "$LAB/oci" "$LAB"/{1,2,3,4}.tar
rm -f "$LAB"/*.tar
converted oci "$LAB/oci" "$tree"
rm -rf "$tree" "$LAB/oci"
vm_end
