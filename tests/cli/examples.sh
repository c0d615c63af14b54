#!/bin/bash
# The examples of every command's help, which its man page has as well, are run as they stand, in a folder that has stand-ins of the
# files they name. One that cannot be run here is in the table below, with the reason, which is printed; a row that is of no example fails.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/examples_lib.sh
. "$(dirname "$0")/examples_lib.sh"
sim=$(absolute "$2") init=$small_init
PATH=$PATH:/sbin:/usr/sbin
skip_without mke2fs mkfs.vfat mcopy openssl jq
cd "$work" || exit 4

# What an example begins with, and why it is not run here.
cat >not-run <<'END'
cloister boot demo.img --varstore|starts a machine: suite vm
cloister try|starts machines: ./demo, and suite vm for its parts
cloister image seal demo.img --key demo.disk.key --reference demo.ref.json --reference next.ref.json|starts a machine: vm/prove
cloister image seal demo.img --key demo.disk.key --srk|wants the storage key of a machine's TPM: vm/sealed_offline
cloister image update demo.img --disk-key|wants the storage key of a machine's TPM: cli/image_update
cloister image update demo.img --back|wants an update before it: cli/image_update
cloister image convert|wants a distribution's disk: cli/convert
cloister evidence activate|wants a TPM: cli/interop_credential
cloister evidence challenge|wants evidence with a TPM's key: cli/interop_credential
cloister evidence collect|wants a confidential machine: vm/identity collects there
cloister evidence extend|wants a TD: unit/measure_rtmr
cloister evidence report|wants a confidential machine: unit/collect
cloister verify azure|wants evidence of Azure: cli/verify_tdx
cloister verify gce|wants Google's evidence: cli/verify_gce
cloister verify nitro|wants AWS's evidence: unit/nitro
cloister verify svsm|wants an SVSM's evidence: unit/svsm
systemd-report generate|wants systemd 262 and a TPM: cli/interop_systemd_report
cloister verify systemd-report|wants a report with a TPM's key: cli/verify_systemd_report
cloister verify tpm|wants a TPM's quote: cli/interop_tpm
cloister verify ear|wants a verifier's token: cli/interop_cose
cloister calibrate|wants evidence with a log: vm/identity
cloister measure tdx --firmware OVMF.fd --memory 8G|wants the log of a TD: cli/measure_tdx
cloister serve --state broker --listen|serves until it is ended: cli/serve
cloister key derive|wants an SEV-SNP guest: unit/sev_guest
cloister key put --broker|wants a broker elsewhere: cli/key_remote
cloister key master --make token.key --provider|wants a token: cli/broker_master
cloister key list --broker|wants a broker elsewhere: cli/key_remote
cloister key revoke 3f0c|the name of a machine is cut short in it: cli/key_remote
cloister endorsements pack|wants AMD's documents: cli/serve_endorsements
cloister endorsements show|wants a bundle of them: cli/serve_endorsements
cloister nv-policy make|wants a TPM: cli/nv_policy
cloister nv-policy update|wants a TPM: cli/nv_policy
cloister nv-policy show|wants a TPM: cli/nv_policy
cloister nv-policy remove|wants a TPM: cli/nv_policy
cloister seal /dev/vda2|wants a disk and a TPM: cli/nv_policy
cloister seal /dev/vdb|wants a disk and a TPM: cli/interop_systemd_tpm2
cloister unlock|wants a guest's disk: vm/sealed
cloister update|wants a machine that runs: cli/update
cloister audit-log follow|follows until it is ended: cli/broker_state
cryptsetup open|root's, on a device: cli/recovery
END

make_examples_folder
export PATH="$work/bin:$PATH"

# --- Each of them ---
# examples_of COMMAND: a line each.
examples_of() {
    # shellcheck disable=SC2086 # one word or two
    "$cloister" $1 --help | sed -n '/^Example:/,$p' | sed -n 's/^  //p' | sed -e ':a' -e '/\\$/N; s/ *\\\n */ /; ta'
}
: >used
ran=0 left=0
while IFS= read -r command; do
    while IFS= read -r line; do
        row=$(while IFS='|' read -r begin why; do case $line in "$begin"*) echo "$begin|$why" && break ;; esac; done <not-run)
        if [ -n "$row" ]; then
            echo "not run: $line: ${row#*|}"
            echo "$row" >>used
            left=$((left + 1))
            continue
        fi
        # What an example takes for granted: that its output is not there yet, and what was done before it.
        input=/dev/null
        case $line in
        'cloister image build'*) rm -f demo.* ;;
        'cloister secureboot keygen'*) mv keys keys.first ;;
        *'--to pcrlock'*) cp built.ref.json demo.ref.json ;;
        'cloister policy init'*) rm -f policy.json ;;
        'cloister key put'*) cp demo.disk.key disk.key ;;
        *'--reference-key owner.pub.pem') "$cloister" measure convert demo.ref.json --key owner.pem --output demo.corim ;;
        *'--new next.key') "$cloister" key master --make next.key >/dev/null ;;
        'cloister key restore'*) mv broker broker.first ;;
        'cloister recovery check'*)
            "$cloister" recovery enroll demo.img --key demo.disk.key --disk demo.disk.json 2>&1 | grep -oE '([a-z]+-)+[a-z]+' | tail -n 1 >recovery.key
            input=recovery.key
            ;;
        'cloister recovery convert'*) input=recovery.key ;;
        'cloister recovery enroll'*) "$cloister" recovery revoke demo.img --key demo.disk.key --disk demo.disk.json >/dev/null ;;
        'cloister audit-log verify'*) "$cloister" audit-log checkpoint --state broker >kept.json ;;
        esac
        status=0
        (eval "$line") >said 2>&1 <"$input" || status=$?
        [ ! -e keys.first ] || { rm -rf keys && mv keys.first keys; }
        # A stand-in is not what a policy wants, nor a root that is trusted: no is an answer of these.
        case $status:$line in
        0:* | '1:cloister verify '* | '1:cloister audit '* | '1:cloister policy '* | '1:cloister report '* | '1:cloister eventlog '* | '1:cloister secureboot diff '* | '1:cloister uki verify '*) ran=$((ran + 1)) ;;
        *) fail "$command: exit status $status: $line: $(tail -n 1 said)" ;;
        esac
    done < <(examples_of "$command")
done < <("$cloister" --help=commands)
while IFS= read -r row; do
    grep -qxF -- "$row" used || fail "not the beginning of any example that is left: $row"
done <not-run
echo "$ran examples were run, $left were not, each for its reason"
[ "$ran" -ge 60 ] || fail "only $ran"
exit "$failed"
