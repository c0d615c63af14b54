#!/bin/sh
# The packages hold what `meson install` installs, each file once and in the same package of Debian's and rpm's; one version
# everywhere; and the broker's service is confined. Building and installing them is tests/packages (./check --all).
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
top=$CLOISTER_TESTS/..
debian=$top/packaging/deb/debian
spec=$top/packaging/rpm/cloister.spec
cd "$work" || exit 4

DESTDIR=$work/dest meson install -C "$CLOISTER_BUILD" --no-rebuild --quiet >log 2>&1 || fail "meson install: $(tail -n 1 log)"

# --- As a path of the packages: below usr/ and etc/, libraries in LIB, zsh's file in ZSH ---
(cd dest && find . ! -type d) | sed -E "s,^\./,,
    s,^(usr/)?local/,usr/,; s,^usr/etc/,etc/,
    s,^usr/lib/systemd/,UNITS/,; s,^usr/lib(64)?/[a-z0-9_-]*linux-gnu[a-z0-9_]*/,LIB/,; s,^usr/lib64/,LIB/,
    s,^usr/share/zsh/[a-z-]*/,ZSH/," | sort >installed
[ -s installed ] || fail "nothing is installed"

# package_of FILE <patterns: "PACKAGE PATTERN", a pattern also matches what lies below it.
package_of() {
    while read -r package pattern; do
        # shellcheck disable=SC2254 # a pattern
        case $1 in
        $pattern | $pattern/*) echo "$package" ;;
        esac
    done <"$2" | sort -u | tr '\n' ' ' | sed 's/ $//'
}

for file in "$debian"/*.install; do
    package=$(basename "$file" .install)
    while IFS= read -r pattern; do
        echo "$package $pattern"
    done <"$file"
done | sed -E 's, lib/systemd/, UNITS/,; s, usr/lib/\*/, LIB/,; s, usr/share/zsh/[a-z-]*/, ZSH/,' >debian.patterns

# %files sections, with the macros as Fedora has them.
awk '/^%files/ { package = $2 == "-n" ? $3 : $2 == "" ? "cloister" : "cloister-" $2; next }
    /^%[a-z]+($| [^{])/ && !/^%(dir|license|config)/ { package = "" }
    package != "" && NF && !/^%(dir|license)/ { print package, $NF }' "$spec" |
    sed -E 's,%\{_bindir\},usr/bin,; s,%\{_libexecdir\},usr/libexec,; s,%\{_includedir\},usr/include,; s,%\{_datadir\},usr/share,
        s,%\{_mandir\},usr/share/man,; s,%\{_sysconfdir\},etc,; s,%\{_unitdir\},UNITS/system,; s,%\{_libdir\},LIB,
        s,%\{_pkgdocdir\},usr/share/doc/cloister,; s,%\{_prefix\},usr,; s,usr/share/zsh/[a-z-]*/,ZSH/,; s/^libcloister-devel /libcloister-dev /' >rpm.patterns

while IFS= read -r file; do
    deb=$(package_of "$file" debian.patterns)
    rpm=$(package_of "$file" rpm.patterns)
    case $file in
    # Debian's kernels call scripts there; rpm's spec takes them away, as kernel-install does it all, and dracut.
    etc/kernel/* | usr/share/initramfs-tools/*)
        [ "$deb/$rpm" = cloister-guest/ ] || fail "$file is in $deb of Debian's and in '$rpm' of rpm's"
        continue
        ;;
    esac
    case $deb in
    '') fail "$file is installed, and in no Debian package" ;;
    *' '*) fail "$file is in several Debian packages: $deb" ;;
    "$rpm") ;;
    *) fail "$file is in $deb of Debian's and in '$rpm' of rpm's" ;;
    esac
done <installed

# --- One version, one list of packages ---
version=$("$cloister" version | cut -d ' ' -f 2)
grep -q "^Version: *$version$" "$spec" || fail "the spec is of another version than $version"
head -n 1 "$debian/changelog" | grep -q "($version)" || fail "debian/changelog is of another version than $version"
sed -n 's/^Package: //p' "$debian/control" | sort >debian.packages
cut -d ' ' -f 1 debian.patterns | sort -u | diff - debian.packages >&2 || fail "debian/control lists other packages than there are .install files"

# --- The service ---
unit=$(find dest -name cloister-broker.service)
grep -q "@[a-z]*@" "$unit" && fail "the unit has a name that was not replaced"
grep -q '^CapabilityBoundingSet=$' "$unit" || fail "the service keeps capabilities"
if command -v systemd-analyze >/dev/null && systemd-analyze security --help 2>/dev/null | grep -q offline; then
    systemd-analyze security --offline=true --no-pager "$unit" >exposure 2>&1
    exposure=$(sed -n 's/.*exposure level for cloister-broker.service: \([0-9.]*\).*/\1/p' exposure)
    awk "BEGIN { exit !(\"$exposure\" != \"\" && $exposure + 0 <= 1.5) }" || fail "exposure level ${exposure:-unknown}, at most 1.5 is wanted: $(tail -n 1 exposure)"
else
    echo "SKIP: this systemd-analyze does not judge a unit offline"
fi

# --- The container: what it calls is there, it does not run as root, and the broker takes the words that it is started with ---
container=$top/packaging/container/Containerfile
grep -o 'packaging/[a-z/]*[a-z]' "$container" | grep -v Containerfile | sort -u >scripts
while IFS= read -r script; do
    [ -x "$top/$script" ] || fail "the Containerfile calls $script, which is not there"
done <scripts
awk 'END { exit !(user != "" && user !~ /^(0|root)/) } $1 == "USER" { user = $2 }' "$container" || fail "the container runs as root"
awk '/^FROM/ { stages++ } /^COPY \. / && stages > 1 { wrong = 1 } END { exit stages != 2 || wrong }' "$container" || fail "the source is in what runs"
words=$(sed -n '/^ENTRYPOINT\|^CMD/s/^[A-Z]* *//p' "$container" | tr -s '][",\n' ' ')
"$cloister" serve --help=options >options
# shellcheck disable=SC2086 # words
set -- $words
[ "$1 $2" = "cloister serve" ] || fail "the container starts: $words"
for word; do
    case $word in
    --*) grep -qx -- "$word" options || fail "the container starts the broker with $word, which there is not" ;;
    esac
done
exit "$failed"
