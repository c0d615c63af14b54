#!/bin/sh
# The Python package: its wheel is built against what is installed, and its own tests run with it, on evidence of a pretend platform.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
sim=$(absolute "$2")
top=$CLOISTER_TESTS/..
skip_without pkg-config cc jq
cd "$work" || exit 4

case $(nm -D "$CLOISTER_BUILD/lib/libcloister.so" 2>/dev/null) in
*__asan_init*) skip "a sanitized library is not loaded by Python" ;;
esac
python=
for candidate in python3 /usr/bin/python3; do
    command -v "$candidate" >/dev/null || continue
    "$candidate" -c 'import cffi, setuptools, wheel, os, sysconfig, sys
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' 2>/dev/null && python=$candidate && break
done
[ -n "$python" ] || skip "no Python with cffi, setuptools, wheel and its headers"

DESTDIR=$work/installed meson install -C "$CLOISTER_BUILD" --no-rebuild --quiet >log 2>&1 || fail "meson install: $(tail -n 1 log)"
PKG_CONFIG_PATH=$(dirname "$(find installed -name cloister.pc)")
LD_LIBRARY_PATH=$work/$(dirname "$(find installed -name 'libcloister.so.0')")
PKG_CONFIG_PATH=$work/$PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR=$work/installed
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR LD_LIBRARY_PATH
cp -r "$top/bindings/python" source
(cd source && "$python" setup.py -q bdist_wheel) >log 2>&1 || fail "the wheel: $(tail -n 3 log)"
[ "$failed" = 0 ] || exit 1
"$python" -m zipfile -e source/dist/cloister-*.whl package || fail "the wheel is not a zip"
grep -qs "^Version: $("$cloister" version | awk 'NR == 1 { print $NF }')" package/cloister-*.dist-info/METADATA || fail "the wheel is of another version"

for platform in good other; do "$sim" snp --rsa-bits 2048 "$platform" >/dev/null || fail "sim"; done
cp "$top/fuzz/corpus/eventlog/two-banks" log
"$cloister" eventlog replay log --json >replay.said || fail "replay"
jq '{sha256: (.. | .sha256? // empty | objects)}' replay.said >replay.json
cp source/test_cloister.py . # next to no folder of the source's
PYTHONPATH=$work/package "$python" test_cloister.py "$work" >said 2>&1 || fail "$(tail -n 20 said)"
grep -q '^Ran 1[0-9] tests' said || fail "not all tests ran: $(tail -n 3 said)"
exit "$failed"
