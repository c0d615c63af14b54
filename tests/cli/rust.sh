#!/bin/sh
# The Rust crate, built without a network against what is installed, and its tests on evidence of a pretend platform; its structs are as large as C's.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
sim=$(absolute "$2")
top=$CLOISTER_TESTS/..
skip_without cargo cc pkg-config
cargo --version >/dev/null 2>&1 || skip "cargo does not run"
cd "$work" || exit 4
case $(nm -D "$CLOISTER_BUILD/lib/libcloister.so" 2>/dev/null) in
*__asan_init*) skip "a sanitized library is not linked by others" ;;
esac

DESTDIR=$work/installed meson install -C "$CLOISTER_BUILD" --no-rebuild --quiet >log 2>&1 || fail "meson install: $(tail -n 1 log)"
PKG_CONFIG_PATH=$work/$(dirname "$(find installed -name cloister.pc)")
LD_LIBRARY_PATH=$work/$(dirname "$(find installed -name 'libcloister.so.0')")
PKG_CONFIG_SYSROOT_DIR=$work/installed CLOISTER_EVIDENCE=$work
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR LD_LIBRARY_PATH CLOISTER_EVIDENCE
cat >sizes.c <<'END'
#include <cloister/base.h>
#include <stdio.h>

int main(void)
{
    printf("%zu %zu %zu %zu", sizeof(struct clo_bytes), sizeof(struct clo_buffer), sizeof(struct clo_error), sizeof(struct clo_error_code));
    return 0;
}
END
# shellcheck disable=SC2046 # flags are words
cc sizes.c $(pkg-config --cflags cloister) -o sizes || fail "sizes.c"
CLOISTER_SIZES=$(./sizes)
export CLOISTER_SIZES
for platform in good other; do "$sim" snp --rsa-bits 2048 "$platform" >/dev/null || fail "sim"; done
cp -r "$top/bindings/rust" crate
(cd crate && CARGO_TARGET_DIR=$work/target cargo test --offline --quiet) >said 2>&1 || fail "$(tail -n 20 said)"
grep -q '5 passed' said || fail "not all tests ran: $(tail -n 5 said)"
exit "$failed"
