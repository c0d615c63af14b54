#!/bin/sh
# What is installed: a page for every command, without a warning from man; the shared library, of which each public
# header compiles alone, and which another's program links.
set -u
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
cloister=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
sim=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
fail() {
    echo "FAIL: $1"
    failed=1
}

DESTDIR=$folder meson install -C "$CLOISTER_BUILD" --no-rebuild --quiet >"$folder/log" 2>&1 || {
    cat "$folder/log"
    exit 1
}

# Pages.
man1=$(find "$folder" -type d -name man1)
"$cloister" --help=commands >"$folder/commands"
while IFS= read -r command; do
    page=$man1/cloister-$(printf %s "$command" | tr ' ' -).1
    [ -s "$page" ] || fail "$command: no man page"
done <"$folder/commands"
if command -v man >/dev/null; then
    for page in "$man1"/*.1 "$man1"/../man5/* "$man1"/../man7/*; do
        warnings=$(MANROFFSEQ='' MANWIDTH=80 LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
        [ -z "$warnings" ] || fail "$(basename "$page"): $warnings"
    done
else
    echo "SKIP: man is not installed: pages are not checked for warnings"
fi

for page in man5/cloister-policy.5 man5/cloister-reference.5 man5/guest.json.5 man7/cloister.7 man7/cloister-errors.7 man1/cloister-sim.1; do
    [ -s "$man1/../$page" ] || fail "no $page"
done
# What whatis shows is one whole sentence: "name - what it is for", and no more than a line.
for page in "$man1"/*.1; do
    line=$(sed -n '/^\.SH NAME$/{n;p;q}' "$page")
    case $line in
    *[a-zA-Z0-9\)\"?]) ;;
    *) fail "$(basename "$page"): the NAME line is cut: $line" ;;
    esac
    case $line in
    "$(basename "$page" .1) \\- "*) ;;
    *) fail "$(basename "$page"): the NAME line names another page: $line" ;;
    esac
    for heading in 'EXIT STATUS' 'SEE ALSO'; do
        grep -q "^\.SH $heading$" "$page" || fail "$(basename "$page"): no $heading"
    done
done

# Each variable that the program asks for is on a page, or systemd's own; and each row of the codes.
cat "$man1"/*.1 | sed 's/\\-/-/g' >"$folder/pages"
grep -rhoE 'getenv\("[A-Z_a-z]+"\)' "$CLOISTER_TESTS/../cli" "$CLOISTER_TESTS/../device" "$CLOISTER_TESTS/../verifier" --include='*.c' |
    sed 's/.*"\(.*\)".*/\1/' | sort -u >"$folder/variables"
while IFS= read -r variable; do
    case $variable in
    HOME | TERM | LISTEN_PID) ;;
    *) grep -q "^\.B .*$variable" "$folder/pages" || fail "no page tells of the variable $variable" ;;
    esac
done <"$folder/variables"
sed 's/\\-/-/g' "$man1/../man7/cloister-errors.7" >"$folder/codes"
tail -n +2 "$CLOISTER_TESTS/../docs/errors.tsv" | cut -f 1 | while IFS= read -r code; do
    grep -qF -- "$code" "$folder/codes" || echo "$code"
done >"$folder/codes.missing"
[ ! -s "$folder/codes.missing" ] || fail "cloister-errors(7) leaves out: $(head -n 3 "$folder/codes.missing" | tr '\n' ' ')"

# Completion: the words that --help=options gives, for every command and list of commands.
find "$folder" -path '*bash-completion/completions/cloister' | grep -q . || fail "no completion"
[ "$("$cloister" image --help=options | head -n 1)" = build ] || fail "no completion below image"

# The library. A sanitized one wants its runtime first; the plain build is tried.
case $(nm -D "$CLOISTER_BUILD/lib/libcloister.so" 2>/dev/null) in
*__asan_init*)
    echo "SKIP: a sanitized library is not linked by others"
    exit $failed
    ;;
esac
include=$(find "$folder" -type d -path '*/include/cloister')/..
for header in "$include"/cloister/*.h; do
    printf '#include "cloister/%s"\n' "$(basename "$header")" >"$folder/alone.c"
    cc -std=gnu17 -Wall -Wextra -Werror -I "$include" -fsyntax-only "$folder/alone.c" || fail "$(basename "$header") does not stand alone"
done
cat >"$folder/user.c" <<'EOF'
#include <stdio.h>

#include "cloister/eventlog.h"

int main(void)
{
    struct clo_eventlog *log = NULL;
    struct clo_error err;

    if (clo_eventlog_parse(clo_bytes("no log", 6), &log, &err))
        return 1;
    puts(err.text);
    return 0;
}
EOF
cc -std=gnu17 -I "$include" "$folder/user.c" -o "$folder/user" -L "$CLOISTER_BUILD/lib" -lcloister || fail "a program does not link"
said=$(LD_LIBRARY_PATH=$CLOISTER_BUILD/lib "$folder/user") || fail "a program that links does not run"
[ -n "$said" ] || fail "and says nothing"
# What it shows is what the headers declare, and all of it; and what it showed before.
nm -D --defined-only "$CLOISTER_BUILD/lib/libcloister.so" | awk '$2 ~ /[TRDB]/ { print $3 }' | LC_ALL=C sort >"$folder/shown"
grep -qv '^clo_' "$folder/shown" && fail "shows other names: $(grep -v '^clo_' "$folder/shown" | head -n 3 | tr '\n' ' ')"
cat "$include"/cloister/*.h | tr '\n' ' ' | grep -oE 'CLO_API[^;{]*' | grep -oE '\bclo_[a-z0-9_]+ *\(|\bclo_[a-z0-9_]+(\[\])? *$' | tr -d ' ([]' | LC_ALL=C sort -u >"$folder/declared"
missing=$(comm -13 "$folder/shown" "$folder/declared")
[ -z "$missing" ] || fail "declared, but not there: $missing"
undeclared=$(comm -23 "$folder/shown" "$folder/declared")
[ -z "$undeclared" ] || fail "shown, but declared in no public header: $undeclared"
symbols=$CLOISTER_TESTS/../lib/cloister.symbols
if [ "${CLO_UPDATE:-0}" = 1 ]; then cp "$folder/shown" "$symbols"; fi
changed=$(diff "$symbols" "$folder/shown" | grep '^[<>]' | tr '\n' ' ')
[ -z "$changed" ] || fail "not the symbols of lib/cloister.symbols (< gone, which breaks programs; > new): $changed: CLO_UPDATE=1 rewrites the list"

# --- The examples, as programs of others: installed headers, installed library, pkg-config ---
examples=$CLOISTER_TESTS/../examples
PKG_CONFIG_PATH=$(dirname "$(find "$folder" -name cloister.pc)")
PKG_CONFIG_SYSROOT_DIR=$folder
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
LD_LIBRARY_PATH=$(dirname "$(find "$folder" -name 'libcloister.so.0')")
export LD_LIBRARY_PATH
flags=$(pkg-config --cflags --libs cloister) || fail "pkg-config: no cloister"
[ "$(pkg-config --modversion cloister)" = "$("$cloister" version | awk 'NR == 1 { print $NF }')" ] || fail "pkg-config says version $(pkg-config --modversion cloister)"
for example in verify_snp appraise predict; do
    [ "$(wc -l <"$examples/$example.c")" -lt 60 ] || fail "$example.c is no longer short"
    # shellcheck disable=SC2086 # flags are words
    cc -std=c17 -Wall -Wextra -Werror "$examples/$example.c" $flags -o "$folder/$example" || fail "$example.c does not build"
done
if command -v c++ >/dev/null; then
    # shellcheck disable=SC2086
    c++ -std=c++17 -Wall -Wextra -Werror "$examples/version.cc" $flags -o "$folder/version" || fail "version.cc does not build"
    "$folder/version" | grep -q ba7816bf8f01cfea || fail "version.cc: not SHA-256 of abc"
else
    echo "SKIP: no C++ compiler is installed: version.cc is not built"
fi
# CMake finds it, of this version and of no later one; and not by pkg-config.
cmake_user() {
    mkdir -p "$folder/cmake" && cp "$examples/predict.c" "$examples/read_file.h" "$folder/cmake/" &&
        printf 'cmake_minimum_required(VERSION 3.13)\nproject(user C)\nfind_package(cloister %s REQUIRED)\nadd_executable(user predict.c)\ntarget_link_libraries(user cloister::cloister)\n' \
            "$1" >"$folder/cmake/CMakeLists.txt" &&
        env -u PKG_CONFIG_PATH cmake -S "$folder/cmake" -B "$folder/cmake/$1" -Dcloister_DIR="$(dirname "$(find "$folder" -name cloister-config.cmake)")" >"$folder/cmake.log" 2>&1 &&
        cmake --build "$folder/cmake/$1" >>"$folder/cmake.log" 2>&1
}
if command -v cmake >/dev/null; then
    version=$(pkg-config --modversion cloister)
    if cmake_user "$version"; then
        "$folder/cmake/$version/user" "$folder/cmake/CMakeLists.txt" 2>&1 | grep -q '^predict: ' || fail "CMake's program does not run"
    else
        fail "find_package(cloister): $(tail -n 5 "$folder/cmake.log")"
    fi
    cmake_user 9.0 && fail "CMake takes this version for 9.0"
    grep -q 'compatible with requested version "9.0"' "$folder/cmake.log" || fail "CMake says of version 9.0: $(head -n 5 "$folder/cmake.log")"
else
    echo "SKIP: cmake is not installed: find_package is not tried"
fi

cd "$folder" || exit 4
"$sim" snp --rsa-bits 2048 good || fail "sim"
"$sim" snp --rsa-bits 2048 other || fail "sim, another platform"
# tried NAME STATUS WORDS COMMAND…
tried() {
    name=$1 wanted=$2 words=$3 status=0
    shift 3
    "$@" >said 2>&1 || status=$?
    [ "$status" = "$wanted" ] || fail "$name: exit status $status, expected $wanted: $(head -n 3 said)"
    grep -qF "$words" said || fail "$name: does not say '$words': $(head -n 3 said)"
}
measurement=$("$cloister" evidence show good/report.bin --json 2>/dev/null | grep -oE '"measurement": *"[0-9a-f]{96}"' | grep -oE '[0-9a-f]{96}' | head -n 1)
for report in good/report.bin good/response.bin; do
    tried "verify_snp, $report" 0 "${measurement:-measurement}" ./verify_snp "$report" good/table.bin "$(cat good/root)"
done
tried "verify_snp, another root" 1 "verify_snp: " ./verify_snp good/report.bin good/table.bin "$(cat other/root)"
tried "verify_snp, AMD's roots" 1 "not trusted" ./verify_snp good/report.bin good/table.bin
tried "verify_snp, another's certificates" 1 "verify_snp: " ./verify_snp good/report.bin other/table.bin "$(cat good/root)"
tried "verify_snp, absent" 3 "none: No such file" ./verify_snp none good/table.bin

b64() { base64 -w0 "$1" | tr '+/' '-_' | tr -d '='; }
bundle() {
    printf '{"__cmwc_t":"tag:cloister.dev,2026:evidence","snp-report":["application/vnd.cloister.snp-report","%s"],"snp-certificates":["application/vnd.cloister.snp-certificates","%s"]}' \
        "$(b64 "$1")" "$(b64 good/table.bin)"
}
bundle good/report.bin >bundle.json
bundle other/report.bin >wrong.json
tried "appraise" 1 'warning: accepted by policy "good"' ./appraise bundle.json good/policy.json
tried "appraise, another's report" 1 "snp.signature: " ./appraise wrong.json good/policy.json
tried "appraise, a nonce that nothing shows" 1 "contraindicated: " ./appraise bundle.json good/policy.json bm9uY2U
tried "appraise, no policy" 3 "appraise: " ./appraise bundle.json bundle.json

printf 'an initrd' >initrd
stub=$CLOISTER_TESTS/../fuzz/corpus/pe/stub
make_kernel vmlinuz
"$cloister" uki build --kernel vmlinuz --initrd initrd --cmdline quiet --stub "$stub" --output demo.efi >/dev/null || fail "uki build"
"$cloister" measure uki demo.efi --json >measured.json || fail "measure uki"
tried "predict" 0 "$(grep -oE '"enter-initrd": *"[0-9a-f]{64}"' measured.json | grep -oE '[0-9a-f]{64}' | head -n 1)" ./predict demo.efi
tried "predict, text" 3 "predict: " ./predict initrd

if command -v python3 >/dev/null; then
    tried "python" 0 "${measurement:-}" python3 "$examples/python/verify_snp.py" good/report.bin good/table.bin "$(cat good/root)"
    tried "python, forged" 1 "snp.signature" python3 "$examples/python/verify_snp.py" other/report.bin good/table.bin "$(cat good/root)"
    tried "python, text" 1 "ValueError" python3 "$examples/python/verify_snp.py" initrd good/table.bin
else
    echo "SKIP: python3 is not installed: examples/python is not run"
fi
exit $failed
