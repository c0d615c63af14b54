#!/bin/bash
# The commands on the pages. Of every page: each command exists, and has each option that the page gives it. The pages on installing, on
# clouds and on troubles are run, line by line, with stand-ins for what a test has not (packages, services, QEMU, a cloud's evidence).
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/pages_lib.sh
. "$(dirname "$0")/pages_lib.sh"
sim=$(absolute "$2") init=$(absolute "$3")
docs=$CLOISTER_TESTS/../docs
vectors=$CLOISTER_TESTS/vectors/launch
corpus=$CLOISTER_TESTS/../fuzz/corpus
skip_without jq openssl
cd "$work" || exit 4

# --- Every page: commands and options that there are ---
"$cloister" --help=commands >known
tried=0
# check_words PAGE WORD…: what follows `cloister` in a line.
check_words() {
    page=$1
    shift
    name=$1
    grep -qx -- "$1 ${2:-}" known && name="$1 $2"
    if ! grep -qx -- "$name" known && ! grep -q -- "^$name " known; then
        fail "$page: no command '$name'"
        return
    fi
    [ -s "options.$name" ] || { # shellcheck disable=SC2086 # one word or two
        "$cloister" $name --help=options >"options.$name"
        printf '%s\n' --help --quiet --version >>"options.$name"
    }
    for word; do
        case $word in
        '|' | '#' | '>' | '&&') break ;;
        --[a-z]*) grep -qx -- "${word%%[=.,…]*}" "options.$name" || fail "$page: '$name' has no option $word" ;;
        esac
    done
    tried=$((tried + 1))
}
set -f
while IFS= read -r page; do
    while IFS= read -r line; do
        # shellcheck disable=SC2086 # into words
        set -- ${line#cloister }
        case ${1:-} in '' | -* | [A-Z]* | *[!a-z]*) continue ;; esac
        check_words "${page#"$docs"/}" "$@"
    done < <(commands_of "$page" | grep '^cloister ')
done < <(find "$docs" -name '*.md' ! -name '*audit-rules*')
set +f
[ "$tried" -ge 80 ] || fail "only $tried commands were found on the pages"

# --- Every page of a cloud says the same six things, and its XML is XML ---
for page in "$docs"/clouds/[a-z]*.md; do
    for row in evidence 'what it binds' policy 'reference values' 'what stays untrusted' 'what it costs to get it wrong'; do
        grep -q "^| $row |" "$page" || fail "$(basename "$page") does not say: $row"
    done
    if command -v python3 >/dev/null; then
        awk '/^```xml/ { on = 1; next } /^```/ { on = 0 } on' "$page" >xml
        { echo '<all>' && cat xml && echo '</all>'; } | python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.stdin)' 2>xml.said ||
            fail "$(basename "$page"): XML: $(tail -n 1 xml.said)"
    fi
done

# --- Stand-ins ---
make_image_inputs
mkdir -p lib/modules bin packaging/deb packaging/rpm
ln -s "$PWD/$modules" lib/modules/6.12.0
cp root/etc/os-release osrel
# make_uki: guest.efi, signed with the keys that there are.
make_uki() {
    "$cloister" uki build --kernel vmlinuz --initrd "$vectors/initrd" --cmdline 'console=ttyS0' --os-release osrel --stub "$stub" \
        --key keys/db.key --cert keys/db.crt --output guest.efi >/dev/null || fail "the UKI"
}
make_uki
cp "$vectors/initrd" initrd
rm -r keys vars.fd broker.pem disk.key # the pages make their own
"$sim" snp --rsa-bits 2048 other >/dev/null || fail "sim"
cp other/report.bin report.bin
cp other/table.bin table.bin
b64() { base64 -w0 "$1" | tr '+/' '-_' | tr -d '='; }
printf '{"__cmwc_t":"tag:cloister.dev,2026:evidence","snp-report":["application/vnd.cloister.snp-report","%s"],"snp-certificates":["application/vnd.cloister.snp-certificates","%s"]}' \
    "$(b64 other/report.bin)" "$(b64 other/table.bin)" >evidence.json
zeros=$(printf '%064d' 0)
printf '{"cloister_reference":1,"name":"firmware","origin":"calibration","events":{},"pcrs":{"sha256":{"0":"%s","1":"%s","2":"%s","3":"%s","6":"%s"}}}' \
    "$zeros" "$zeros" "$zeros" "$zeros" "$zeros" >a-cloud.ref.json
m48=$(printf '%096d' 7)
printf '{"cloister_reference":1,"name":"td","origin":"prediction","events":{},"pcrs":{},"tdx":{"mr_td":{"single-pass":"%s"},"rtmr0":"%s","rtmr1":"%s","rtmr2":"%s"}}' \
    "$m48" "$m48" "$m48" "$m48" >a-td.ref.json

# What is not ours, and not here: it is enough that it would be called.
for tool in apt-get dnf meson systemctl qemu-img qemu-system-x86_64; do printf '#!/bin/sh\necho "%s $*" >>"%s/called"\n' "$tool" "$work" >"bin/$tool"; done
for tool in setup deb/build rpm/build; do printf '#!/bin/sh\necho "%s $*" >>"%s/called"\n' "$tool" "$work" >"packaging/$tool"; done
ln -s "$sim" bin/cloister-sim
# Ours, with what a test has in place of the firmware, the service's folder and the cloud's evidence that the page speaks of.
cat >bin/cloister <<END
#!/bin/bash
args=()
for arg; do
    case \$arg in
    OVMF.fd) [[ " \$* " = *" tdx "* || " \$* " = *" --tdx "* ]] && arg="$corpus/tdvf/good" || arg="$vectors/amdsev.fd" ;;
    /usr/share/OVMF/OVMF_VARS_4M.fd) arg="$varstore" ;;
    /var/lib/cloister-broker) arg="$work/service" ;;
    --fetch) arg="--root=$(cat other/root)" ;;
    esac
    args+=("\$arg")
done
case "\$1 \$2 \$* " in
"image build "*) exec "$cloister" "\${args[@]}" --init "$init" --stub "$stub" ;;
# The evidence of the stand-in is a bare report: what a policy of a cloud says of it is no.
"policy test "*) "$cloister" "\${args[@]}" || [ \$? = 1 ] ;;
# Google's endorsement of its firmware is the cloud's: its unit tests have one.
*" --endorsement "*) exit 0 ;;
# Boots: tests/vm has them.
"try "*) exec mkdir -p cloister-try ;;
"calibrate "*) exec cp a-cloud.ref.json firmware.ref.json ;;
"measure tdx "*) "$cloister" "\${args[@]}" && exec cp a-td.ref.json tdx.ref.json ;;
*) exec "$cloister" "\${args[@]}" ;;
esac
END
chmod +x bin/* packaging/setup packaging/*/build
# What the service made when it was started first.
"$cloister" serve --state "$work/service" --init --print-key service.pem >/dev/null || fail "the stand-in of the service's folder"
MEASUREMENT=$("$cloister" evidence show report.bin --json 2>/dev/null | jq -r '.. | .measurement? // empty' | head -n 1)
ROOT=$(cat other/root) AK=$zeros
export MEASUREMENT ROOT AK PATH="$work/bin:$PATH"

# run_page PAGE: each of its commands must do what the page says: succeed, or be refused where it says "# refused" or "# not fit".
run_page() {
    local page=$1 line wanted status
    while IFS= read -r line; do
        case $line in '' | *…*) continue ;; esac
        wanted=0
        case $line in *'# refused'* | *'# not fit'*) wanted=refused ;; esac
        status=0
        (eval "$line") >said 2>&1 </dev/null || status=$?
        case $wanted:$status in
        0:0 | refused:[12]) ;;
        # A warning is the verdict on evidence that nothing was said about; the page says so.
        0:1) grep -q 'warning' said || fail "$page: exit status 1: $line: $(tail -n 1 said)" ;;
        *) fail "$page: exit status $status: $line: $(tail -n 1 said)" ;;
        esac
    done < <(commands_of "$docs/$page")
}
for page in install.md clouds/azure.md troubleshooting.md clouds/gce.md clouds/aws.md clouds/qemu.md clouds/libvirt.md clouds/kubernetes.md; do
    run_page "$page"
    [ ! -e keys ] || make_uki
done
grep -q '^qemu-system-x86_64 .*sev-snp-guest' called || fail "QEMU was not called for SEV-SNP"
exit "$failed"
