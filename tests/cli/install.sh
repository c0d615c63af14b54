#!/bin/sh
# What is installed: a page for every command, without a warning from man; the shared library, of which each public
# header compiles alone, and which a program of somebody else's links.
set -u
cloister=$1
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
    for page in "$man1"/*.1; do
        warnings=$(MANROFFSEQ='' MANWIDTH=80 LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
        [ -z "$warnings" ] || fail "$(basename "$page"): $warnings"
    done
else
    echo "SKIP: man is not installed: pages are not checked for warnings"
fi

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
# What it shows is what the headers declare, and all of it.
nm -D --defined-only "$CLOISTER_BUILD/lib/libcloister.so" | awk '$2 ~ /[TRDB]/ { print $3 }' | sort >"$folder/shown"
grep -qv '^clo_' "$folder/shown" && fail "shows other names: $(grep -v '^clo_' "$folder/shown" | head -n 3 | tr '\n' ' ')"
cat "$include"/cloister/*.h | tr '\n' ' ' | grep -oE 'CLO_API[^;{]*' | grep -oE '\bclo_[a-z0-9_]+ *\(|\bclo_[a-z0-9_]+ *$' | tr -d ' (' | sort -u >"$folder/declared"
missing=$(comm -13 "$folder/shown" "$folder/declared")
[ -z "$missing" ] || fail "declared, but not there: $missing"
exit $failed
