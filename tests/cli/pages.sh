#!/bin/bash
# The commands on the pages of docs/, as they stand and in their order: a folder for each page, with stand-ins of the files that it names. A
# command that cannot be run here is in the table below, with the reason, which is printed; a row that is of no command fails. The tutorials,
# and the pages on installing, clouds and troubles, are run by tutorials.sh and docs.sh.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/examples_lib.sh
. "$(dirname "$0")/examples_lib.sh"
# shellcheck source=tests/cli/pages_lib.sh
. "$(dirname "$0")/pages_lib.sh"
sim=$(absolute "$2") init=$small_init
docs=$(cd "$CLOISTER_TESTS/../docs" && pwd)
PATH=$PATH:/sbin:/usr/sbin
skip_without mke2fs mkfs.vfat mcopy openssl jq
cd "$work" || exit 4

# What a command begins with, and why it is not run here.
cat >not-run <<'END'
cloister boot demo.img --varstore|starts a machine: suite vm
cloister calibrate|wants evidence with a log: vm/identity
cloister evidence activate|wants a TPM: cli/interop_credential
cloister evidence challenge|wants evidence with a TPM's key: cli/interop_credential
cloister evidence collect|wants a confidential machine: vm/identity collects there
cloister evidence extend|wants a TD: unit/measure_rtmr
cloister evidence report|wants a confidential machine: unit/collect
cloister image convert debian-12|wants a distribution's disk: cli/convert
cloister image convert demo.img --in-place|wants a distribution's disk: cli/convert_in_place
cloister image inspect /dev/vdb|wants a disk of one's own: cli/detached
cloister image seal demo.img --key demo.disk.key --reference|starts a machine: vm/prove
cloister image seal demo.img --key demo.disk.key --srk|wants the storage key of a machine's TPM: vm/sealed_offline
cloister image update demo.img --disk-key|wants the storage key of a machine's TPM: cli/image_update
cloister key derive|wants an SEV-SNP guest: unit/sev_guest
cloister key list --broker|wants a broker elsewhere: cli/key_remote
cloister key put default/disk/demo demo.disk.key --disk demo.disk.json --policy policy.json --reference demo.ref.json --broker|wants a broker elsewhere: cli/key_remote
cloister audit --guest|judges the machine that it runs on: cli/audit
cloister audit-log follow|follows until it is ended: cli/broker_state
cloister measure convert /usr/lib/pcrlock.d|wants a machine with systemd-pcrlock: cli/interop_pcrlock
cloister measure convert /var/lib/systemd/pcrlock.json|wants a machine with systemd-pcrlock: cli/interop_pcrlock
cloister measure image demo.img --varstore vars.fd --firmware OVMF_CODE|wants Debian 12's OVMF: cli/measure_disk
cloister measure snp --igvm coconut-qemu.igvm|wants COCONUT's file: unit/igvm
cloister measure snp --igvm openhcl.bin|wants OpenHCL's file: unit/igvm
cloister measure tdx --firmware OVMF.fd --memory 8G --image|wants the log of a TD: cli/measure_tdx
cloister measure tdx --firmware OVMF.fd --memory 8G --kernel|wants QEMU's ACPI tables: cli/measure_tdx
cloister measure uki guest.efi --companion|wants a stub that takes add-ons: cli/measure
cloister measure uki guest.efi --shim|wants a signed shim: cli/measure_shim
cloister nv-policy|wants the storage key of a machine's TPM, and the TPM: cli/nv_policy
cloister recovery check|asks at a terminal, and answers what is typed: cli/recovery
cloister recovery convert|asks at a terminal: cli/recovery
cloister seal /dev/vd|wants a disk and a TPM: cli/interop_systemd_tpm2
cloister serve --state broker --listen|serves until it is ended: cli/serve
cloister unlock|wants a guest's disk: vm/sealed
cloister update|wants a machine that runs: cli/update
cloister verify azure|wants evidence of Azure: cli/verify_tdx
cloister verify ear|wants a verifier's token: cli/interop_cose
cloister verify gce|wants Google's evidence: cli/verify_gce
cloister verify nitro|wants AWS's evidence: unit/nitro
cloister verify snp report.bin --cert host-amd-cert.json|wants a container of Azure: cli/verify_uvm
cloister verify snp report.bin --cert vcek.der --endorsement|wants the cloud's endorsement: cli/verify_uvm, unit/gce_endorsement
cloister verify snp report.bin --fetch|asks AMD: cli/fetch
cloister verify svsm|wants an SVSM's evidence: unit/svsm
cloister verify systemd-report|wants a report with a TPM's key: cli/verify_systemd_report
cloister verify tdx quote.bin --collateral collateral/ --endorsement|wants Google's endorsement: unit/gce_endorsement
cloister verify tpm|wants a TPM's quote: cli/interop_tpm
cloister recovery enroll /etc/cloister|writes below /etc: cli/detached
cp --sparse|wants a distribution's disk: cli/convert_in_place
cryptsetup luksFormat|root's, on a device: cli/detached
cryptsetup open|root's, on a device: cli/recovery, cli/luks_token
curl -s|wants a broker that listens: cli/serve
docker export|wants docker: cli/container
echo '{"type":"cloister"|root's, on a device: cli/luks_token
pass show|wants a store of passwords: cli/uki_sign
systemd-report generate|wants systemd 262 and a TPM: cli/interop_systemd_report
cloister image convert root.tar|wants a root with a kernel: cli/container
cloister endorsements|wants AMD's documents: cli/serve_endorsements
cloister verify evidence.cmw --fetch|asks AMD: cli/fetch
cloister eventlog replay log.bin --ima-log|wants the kernel's IMA list: cli/eventlog
cloister uki sign guest.efi --key db.key --key-passphrase-file <|wants a store of passphrases: cli/uki_sign
cloister verify snp report.bin --cert vcek.der --id-block|wants an ID block of this report: cli/verify_snp
cloister verify snp report.bin --cache|wants what --fetch left there: cli/fetch
mkdir -p vm/tpm && swtpm_setup|makes a TPM's state: suite vm
END
mkdir ground
cd ground || exit 4
make_examples_folder
ln -s "$PWD/$(readlink lib/modules/6.12 | sed "s|$PWD/||")" lib/modules/6.12.1
ln -s root ROOT
for name in linux.config .config; do cp config $name; done
for name in log.bin today.bin yesterday.bin; do cp eventlog.bin $name; done
for name in guest.efi next.efi tool.efi grubx64.efi; do cp demo.efi $name; done
for name in running updated; do ln -s demo.img $name.img; done
cp running.ref.json running.dbx.ref.json
cp policy.json lax.json
cp keys/db.crt vendor.crt
cp other/crl.der crl.der
cp tpm2-measure.log cc-measure.log
cp data.key demo.key
cp keys/db.key owner.key
echo hello >motd
echo 'a long passphrase' >passphrase
: >db.cred
"$cloister" uki build --addon --stub "$stub" --cmdline debug --output debug.addon.efi >/dev/null || fail "an add-on"
"$cloister" measure convert demo.ref.json --to corim --output foreign.corim >/dev/null || fail "a CoRIM"
"$cloister" secureboot list --cert mok.crt --output new.esl >/dev/null || fail "a list"
"$cloister" secureboot sign new.esl --variable db --append --key keys/KEK.key --cert keys/KEK.crt --output DBUpdate3P2023.bin >/dev/null || fail "an update of db"
cp "$vectors"/id-key.pem id.pem
cp "$vectors"/author-key.pem author.pem
cd .. || exit 4
# What a page says that its reader puts in.
NONCE=6368616c6c656e6765 SHA256=$(printf '%064d' 5) MACHINE=$(printf '%064d' 6)
export NONCE SHA256 MACHINE CLOISTER_LOCALEDIR="${CLOISTER_BUILD:-}/po"

# is_command LINE: and not what one prints.
is_command() {
    case $1 in
    'cloister '* | 'mkdir '* | 'cp '* | 'curl '* | 'echo '* | 'docker '* | 'skopeo '* | 'pass '* | 'cryptsetup '* | 'systemd-report '* | '{ '*) true ;;
    *) false ;;
    esac
}

# run_line PAGE LINE: succeeds; or says no, where that is an answer: a stand-in is not what a policy wants, nor a root that is trusted.
run_line() {
    local status=0 input=/dev/null
    [ ! -e input ] || input=input
    (eval "$2") >said 2>&1 <"$input" || status=$?
    case $status:$2 in
    0:* | '1:cloister verify '* | '1:cloister audit '* | '1:cloister policy '* | '1:cloister report '* | '1:cloister eventlog '* | '1:cloister secureboot diff '* | '1:cloister measure snp '*' --explain '*) ran=$((ran + 1)) ;;
    *) fail "$1: exit status $status: $2: $(tail -n 1 said)" ;;
    esac
}

# prepare LINE: what it takes for granted: that its output is not there yet, and what was done before it.
prepare() {
    case $1 in
    'cloister image build'* | 'cloister image convert'*) rm -f demo.* ;;
    'cloister key put '*' demo-1.disk.key '*)
        cloister image build root --kernel vmlinuz --modules lib/modules/6.12 --stub "$stub" --cmdline quiet --key keys/db.key --cert keys/db.crt \
            --varstore vars.fd --broker https://10.0.2.2:8443 --broker-key broker.pem --output demo-1.img >/dev/null || fail "another image"
        ;;
    'cloister key master --state broker --new'*) [ -e master.key ] || "$cloister" key master --make master.key >/dev/null ;;
    'cloister secureboot keygen'*) mv keys keys.first ;;
    'cloister secureboot list --merge dbx.esl --remove'*) "$cloister" secureboot list --hash "$SHA256" --output dbx.esl >/dev/null ;;
    esac
}

# run_page PAGE: its commands, in a copy of the folder.
run_page() {
    local line row
    while IFS= read -r line; do
        is_command "$line" || continue
        case $line in *…*)
            echo "not run: $1: $line: cut short for the eye"
            continue
            ;;
        esac
        row=$(while IFS='|' read -r begin why; do case $line in "$begin"*) echo "$begin|$why" && break ;; esac; done <"$work/not-run")
        if [ -n "$row" ]; then
            echo "not run: $1: $line: ${row#*|}"
            echo "$row" >>"$work/used"
            left=$((left + 1))
            continue
        fi
        prepare "$line"
        run_line "$1" "$line"
        [ ! -e keys.first ] || { rm -r keys && mv keys.first keys; }
    done < <(commands_of "$docs/$1")
}
: >used
ran=0 left=0
while IFS= read -r page; do
    case $page in tutorials/* | clouds/* | install.md | troubleshooting.md) continue ;; esac
    commands_of "$docs/$page" | grep -q '^cloister ' || continue
    cp -a ground page
    cd page || exit 4
    export PATH="$work/page/bin:$PATH"
    run_page "$page"
    cd "$work" || exit 4
    rm -rf page
done < <(cd "$docs" && find . -name '*.md' -printf '%P\n' | sort)
while IFS= read -r row; do
    grep -qxF -- "$row" used || fail "not the beginning of any command that is left: $row"
done <not-run
echo "$ran commands were run, $left were not, each for its reason"
[ "$ran" -ge 80 ] || fail "only $ran"
exit "$failed"
