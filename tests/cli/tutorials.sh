#!/bin/bash
# The tutorials, as they stand: each page's commands are one script, run from its top to its end in a folder of its own. In place of what a
# test has not: a Debian from a mirror (a small root), OVMF's variables where they lie elsewhere, and a port that is free.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/pages_lib.sh
. "$(dirname "$0")/pages_lib.sh"
sim=$(absolute "$2") init=$(absolute "$3")
pages=$CLOISTER_TESTS/../docs/tutorials
skip_without jq openssl curl fakeroot mke2fs mcopy
cd "$work" || exit 4

# --- Stand-ins ---
mkdir inputs bin
(cd inputs && make_image_inputs && mkdir -p root/boot root/lib/modules root/dev && cp vmlinuz root/boot/vmlinuz-6.12.0-test &&
    cp -r "tree/lib/modules/6.12.0-test" root/lib/modules/ && printf 'CONFIG_EFI=y\n' >root/boot/config-6.12.0-test && tar -c -f root.tar -C root .) || fail "inputs"
cat >bin/mmdebstrap <<END
#!/bin/sh
for last; do :; done
exec cp "$work/inputs/root.tar" "\$last"
END
cat >bin/cloister <<END
#!/bin/bash
args=()
for arg; do
    case \$arg in
    /usr/share/OVMF/OVMF_VARS_4M.fd) [ -e "\$arg" ] || arg="$work/inputs/none"; [ -e "\$arg" ] || arg=\$(cat "$work/inputs/varstore") ;;
    127.0.0.1:8443) arg=127.0.0.1:0 ;;
    esac
    args+=("\$arg")
done
[ "\$1 \$2" != "image build" ] || args+=(--init "$init" --stub "\$(cat "$work/inputs/stub")")
exec "$cloister" "\${args[@]}"
END
# The port that it got, once it says so.
cat >bin/curl <<'END'
#!/bin/bash
for _ in $(seq 1200); do
    port=$(sed -n 's/^listening on 127.0.0.1:\([0-9][0-9]*\),.*/\1/p' broker.log)
    [ -z "$port" ] || break
    sleep 0.1
done
exec "$REAL_CURL" "${@//:8443/:$port}"
END
REAL_CURL=$(command -v curl)
export REAL_CURL
ln -s "$sim" bin/cloister-sim
chmod +x bin/mmdebstrap bin/cloister bin/curl
find_stub
find_varstore
echo "$stub" >inputs/stub
echo "$varstore" >inputs/varstore

# run_page NAME WORDS…: each command succeeds, or is refused where the page says so; the words are in what was printed.
run_page() {
    local name=$1 words
    shift
    script_of "$pages/$name.md" >"$name.sh"
    mkdir "$name.folder"
    (cd "$name.folder" && PATH=$work/bin:$PATH bash "../$name.sh") >"$name.out" 2>&1 || fail "$name: $(tail -n 3 "$name.out")"
    for words; do
        grep -qF -- "$words" "$name.out" || fail "$name: does not say '$words': $(tail -n 3 "$name.out")"
    done
}
export CLOISTER_LOCALEDIR="${CLOISTER_BUILD:-}/po"
run_page builder "a guest opens it" "disk key   other.disk.key"
if [ ! -s builder.folder/demo.img ] || [ ! -s builder.folder/demo.ref.json ]; then fail "builder: no image"; fi
run_page operator 'sound: nothing that matters is open' 'default/config/demo' 'policy.freshness' 401
run_page auditor 'verdict: warning' 'snp.signature'
grep -q '<html lang="fr"' auditor.folder/rapport.html || fail "auditor: no French page"
exit "$failed"
