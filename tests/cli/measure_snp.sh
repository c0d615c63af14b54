#!/bin/sh
# Launch digests as another implementation computed them, from files; what is not taken; ID blocks.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
skip_without jq
vectors=$CLOISTER_TESTS/vectors/launch
cd "$work" || exit 4

# measured FOLDER FILTER MANIFEST: runs each case that the filter makes of the manifest: [name, digest or null, option…].
measured() {
    jq -r --arg folder "$1" "def option(name): if . == null or . == \"\" then [] else [name, tostring] end;
        def file(name): if . == null then [] else [name, \$folder + \"/\" + .] end; $2 | @sh" "$3" >cases
    while IFS= read -r line; do
        eval "set -- $line"
        name=$1 wanted=$2
        shift 2
        if [ "$wanted" = null ]; then
            expect "$name" 3 "unmeasured" "$cloister" measure snp "$@" --json
        else
            expect "$name" 0 "\": \"$wanted\"" "$cloister" measure snp "$@" --json
        fi
        count=$((count + 1))
    done <cases
}
files='(.ovmf | file("--ovmf")) + (.kernel | file("--kernel")) + (.initrd | file("--initrd")) + (.svsm | file("--svsm"))'
options='(.mode | option("--mode")) + (.vcpus | option("--vcpus")) + (.vcpu_type | option("--vcpu-type")) + (.vmm | option("--vmm"))'
count=0

# Every fifth of our own cases, and the shared manifest, all of it.
measured "$vectors" '.cases | to_entries[] | select(.key % 5 == 0) | ["case \(.key)", .value.launch_digest] + (.value | '"$options + $files"' +
    (.append | option("--append")) + (.vars_size | option("--vars-size")) + (.ovmf_hash | option("--ovmf-hash")) +
    (.guest_features | if . == null then [] else ["--guest-features", {"1": "0x1", "33": "0x21", "41": "0x29"}[tostring]] end))' "$vectors/cases.json"
[ "$count" -gt 20 ] || fail "$count cases"
shared=${CLOISTER_VECTORS:-../shared/vectors}/snp-measure
if [ -r "$shared/MANIFEST.json" ]; then
    measured "$shared" '.cases[] | select(.input != null) | [.id, (.expected.launch_digest // .expected.ovmf_hash)] + (.input | '"$options + $files"' +
        (.cmdline | option("--append")) + (.guest_features | option("--guest-features")) + (.precomputed_ovmf_hash | option("--ovmf-hash")))' "$shared/MANIFEST.json"
    [ "$count" -gt 40 ] || fail "$count cases"
else
    echo "SKIP: the shared vectors are absent"
fi

# Firmware as Debian ships it, where it is the version that was measured.
if [ -r "$shared/debian-ovmf.tsv" ]; then
    grep -v '^#' "$shared/debian-ovmf.tsv" | tail -n +2 >cases
    while read -r file sum mode vcpus type wanted; do
        [ "$(sha256sum "$file" 2>/dev/null | cut -d ' ' -f 1)" = "$sum" ] || { echo "SKIP: $file is absent, or another version" && continue; }
        expect "$file $mode $vcpus $type" 0 "$wanted" "$cloister" measure snp --ovmf "$file" --mode "$mode" --vcpus "$vcpus" --vcpu-type "$type"
    done <cases
fi

# Other ways to say the same.
ovmf=$vectors/amdsev.fd
usual=$("$cloister" measure snp --ovmf "$ovmf" --vcpus 2 --vcpu-type EPYC-Milan) || fail "usual"
expect "by signature" 0 "$usual" "$cloister" measure snp --ovmf "$ovmf" --vcpus 2 --vcpu-sig 0x00a00f11
expect "by family" 0 "$usual" "$cloister" measure snp --ovmf "$ovmf" --vcpus 2 --vcpu-family 25 --vcpu-model 1 --vcpu-stepping 1
expect "as sev-snp-measure's options" 0 "$usual" "$cloister" measure snp --mode snp --ovmf="$ovmf" --vcpus=2 --vcpu-type=EPYC-Milan --vmm-type QEMU --guest-features 0x1
expect "base64" 0 "$(printf %s "$usual" | xxd -r -p | base64 -w 0)" "$cloister" measure snp --ovmf "$ovmf" --vcpus 2 --vcpu-type EPYC-Milan --output-format base64
expect "from the firmware's digest" 0 "$usual" "$cloister" measure snp --ovmf "$ovmf" --vcpus 2 --vcpu-type EPYC-Milan \
    --snp-ovmf-hash "$("$cloister" measure snp --mode snp:ovmf-hash --ovmf "$ovmf")"
expect "empty words" 0 "$usual" "$cloister" measure snp --ovmf "$ovmf" --vcpus 2 --vcpu-type EPYC-Milan --kernel "" --initrd "" --append ""
expect "from a pipe" 0 "$usual" sh -c "cat '$ovmf' | '$cloister' measure snp --ovmf - --vcpus 2 --vcpu-type EPYC-Milan"
expect "no metadata: a warning" 0 "no SEV metadata" "$cloister" measure snp --ovmf "$vectors/no-metadata.fd" --vcpus 1 --vcpu-type EPYC --json
expect "VMSAs" 0 "$usual" "$cloister" measure snp --ovmf "$ovmf" --vcpus 2 --vcpu-type EPYC-Milan --dump-vmsa
[ "$(stat -c %s vmsa0.bin vmsa1.bin | tr '\n' ' ')" = "4096 4096 " ] || fail "vmsa0.bin, vmsa1.bin"
cmp -s vmsa0.bin vmsa1.bin && fail "the first CPU starts like the second"

# A firmware large enough for more than one thread, page by page with openssl: SHA-384 of what was before, the page's own, and
# 0x70, normal, zeros, its address.
skip_without openssl
seq 1 60000 | head -c 262144 >large.fd
split -b 4096 -a 2 -d large.fd page.
head -c 48 /dev/zero >chain.00
page=0
for file in page.*; do
    number=${file#page.}
    page=$((page + 1))
    openssl dgst -sha384 -binary "$file" >own
    address=$(printf '\\000\\%03o\\%03o\\377' $(((page - 1) * 16 % 256)) $((0xfc + (page - 1) / 16)))
    # shellcheck disable=SC2059 # the address, as escapes
    { cat "chain.$number" own && printf '\160\000\001\000\000\000\000\000' && printf "$address" && printf '\000\000\000\000'; } |
        openssl dgst -sha384 -binary >"chain.$(printf %02d "$page")"
done
expect "page by page" 0 "$(xxd -p -c 48 chain.64)" "$cloister" measure snp --mode snp:ovmf-hash --ovmf large.fd
truncate -s 300M huge.fd
expect "too large" 3 "larger than 268435456 bytes" "$cloister" measure snp --ovmf huge.fd --vcpus 1 --vcpu-type EPYC

# ID blocks.
digest=$(jq -r .id_block.launch_digest "$vectors/cases.json")
expect "ID block" 0 "$(jq -r .id_block.id_block "$vectors/cases.json")" "$cloister" measure snp --ovmf "$ovmf" --vcpus 1 --vcpu-type EPYC --guest-features 0x21 \
    --id-block option --id-key "$vectors/id-key.pem" --author-key "$vectors/author-key.pem" --json
jq -e --arg digest "$digest" '.launch_digest == $digest' out >/dev/null || fail "ID block: of another digest"
for name in id_key_digest author_key_digest; do
    [ "$(jq -r ".$name" out)" = "$(jq -r ".id_block.$name" "$vectors/cases.json")" ] || fail "$name"
done
grep -q "^id-block=$(jq -r .id_block out),id-auth=$(jq -r .id_auth out),author-key-enabled=on\$" option || fail "QEMU's option: $(cat option)"
expect "ID block for a digest" 0 "$(jq -r .id_block.id_block "$vectors/cases.json")" "$cloister" measure snp --launch-digest "$digest" --id-block option --id-key "$vectors/id-key.pem" --json
shared_block=$(jq -r '.cases[] | select(.id == "id-block-ibm") | .expected | .launch_digest_b64 + " " + .id_block_b64' "$shared/MANIFEST.json" 2>/dev/null)
[ -z "$shared_block" ] || expect "ID block for a digest in base64" 0 "\"id_block\": \"${shared_block#* }\"" "$cloister" measure snp --launch-digest "${shared_block% *}" --id-block option --id-key "$vectors/id-key.pem" --json
expect "a digest for nothing" 2 "what --id-block is made for" "$cloister" measure snp --launch-digest "$digest"
expect "a digest and a file" 2 "or a file to measure" "$cloister" measure snp --launch-digest "$digest" --ovmf "$ovmf" --id-block option --id-key "$vectors/id-key.pem"
expect "half of a digest" 2 "expected 48 bytes" "$cloister" measure snp --launch-digest 0011 --id-block option --id-key "$vectors/id-key.pem"
"$cloister" measure snp --ovmf "$ovmf" --vcpus 1 --vcpu-type EPYC --guest-features 0x21 --id-block option --id-key "$vectors/id-key.pem" --json >out || fail "once more"
# The signature, with openssl: r and s turned round, in DER.
jq -r .id_block out | base64 -d >block
jq -r .id_auth out | base64 -d >auth
number() { xxd -s "$1" -l 48 -p -c 1 auth | tac | tr -d '\n'; }
printf 'asn1=SEQUENCE:s\n[s]\nr=INTEGER:0x%s\ns=INTEGER:0x%s\n' "$(number 64)" "$(number 136)" >asn1
openssl asn1parse -genconf asn1 -noout -out signature && openssl pkey -in "$vectors/id-key.pem" -pubout -out id.pub
expect "the ID key signed it" 0 "Verified OK" openssl dgst -sha384 -verify id.pub -signature signature block
expect "all fields" 0 "" "$cloister" measure snp --ovmf "$ovmf" --vcpus 1 --vcpu-type EPYC --id-block option --id-key "$vectors/id-key.pem" \
    --guest-policy 0xb0000 --guest-svn 7 --family-id 000102030405060708090a0b0c0d0e0f --image-id ffffffffffffffffffffffffffffffff --json
[ "$(jq -r .id_block out | base64 -d | tail -c 48 | xxd -p -c 48)" = "000102030405060708090a0b0c0d0e0fffffffffffffffffffffffffffffffff010000000700000000000b0000000000" ] || fail "fields: $(jq -r .id_block out | base64 -d | xxd)"

# Which input is to blame: a digest, or a report that holds it (bare, of version 3, of a machine with a Milan).
# shellcheck disable=SC2086 # options, split on purpose
explain() { expect "explain: $1" "$2" "$3" "$cloister" measure snp --ovmf "$ovmf" --kernel "$vectors/kernel" --initrd "$vectors/initrd" --append quiet --explain "$real" $4; }
real=$("$cloister" measure snp --ovmf "$ovmf" --kernel "$vectors/kernel" --initrd "$vectors/initrd" --append quiet --vcpus 4 --vcpu-type EPYC-Milan --guest-features 0x21)
explain "as given" 0 "the digest is right for 4 vCPUs of type 0x00a00f11 (EPYC-Milan), SEV_FEATURES 0x21, VMM qemu" "--vcpus 4 --vcpu-type EPYC-Milan --guest-features 0x21"
explain "found" 0 '"vcpus": 4' "--json"
explain "vCPUs" 1 "the digest is right for 4 vCPUs, you said 2" "--vcpus 2 --vcpu-type EPYC-Milan"
explain "type" 1 "the digest is right for vCPU type 0x00a00f11 (EPYC-Milan), you said 0x00800f12 (EPYC, EPYC-IBPB)" "--vcpus 4 --vcpu-type EPYC"
explain "features" 1 "SEV_FEATURES 0x21, you said 0x1" "--vcpus 4 --vcpu-type EPYC-Milan --guest-features 0x1"
explain "two" 1 "4 vCPUs, you said 3; and vCPU type 0x00a00f11" "--vcpus 3 --vcpu-type EPYC-Genoa"
explain "nothing" 1 "the firmware, the kernel or the initrd is another one" "--max-vcpus 3"
real=$("$cloister" measure snp --ovmf "$ovmf" --vcpus 1 --vcpu-type EPYC-Milan)
explain "kernel" 1 "a kernel not measured, you said measured" "--vcpus 1 --vcpu-type EPYC-Milan"
{ printf '\003\000\000\000' && head -c 140 /dev/zero && printf %s "$real" | xxd -r -p && head -c 200 /dev/zero && printf '\031\001\001' && head -c 789 /dev/zero; } >report.bin
expect "explain: a report" 1 "1 vCPUs, you said 2" "$cloister" measure snp --ovmf "$ovmf" --vcpus 2 --vcpu-type EPYC-Milan --explain report.bin
expect "explain: no report" 3 "id-key.pem" "$cloister" measure snp --ovmf "$ovmf" --vcpus 2 --vcpu-type EPYC-Milan --explain "$vectors/id-key.pem"
expect "explain: half a digest" 2 "a launch digest has 96 hex digits (48 bytes), this has 94" "$cloister" measure snp --ovmf "$ovmf" --explain "${real%??}"
expect "explain: a SHA-256" 2 "this has 64" "$cloister" measure snp --ovmf "$ovmf" --explain "${real%????????????????????????????????}"
cp report.bin abcdef
expect "explain: a file named in hex" 1 "1 vCPUs, you said 2" "$cloister" measure snp --ovmf "$ovmf" --vcpus 2 --vcpu-type EPYC-Milan --explain abcdef
expect "explain: firmware is not a report" 3 "SNP report" "$cloister" measure snp --ovmf "$ovmf" --explain "$ovmf"
head -c 2000 /dev/zero | tr '\0' 'a' >text
expect "explain: text is not a report" 3 "text: is not an SEV-SNP report in any form" "$cloister" measure snp --ovmf "$ovmf" --explain text
expect "contradictory VMMs" 2 "--vmm-type ec2: contradicts qemu" "$cloister" measure snp --ovmf "$ovmf" --vmm qemu --vmm-type ec2
expect "contradictory digests" 2 "--snp-ovmf-hash ab: contradicts" "$cloister" measure snp --ovmf "$ovmf" --ovmf-hash "$real" --snp-ovmf-hash ab
expect "the same twice" 2 "--vcpus is missing" "$cloister" measure snp --ovmf "$ovmf" --vmm qemu --vmm-type qemu
expect "explain: SEV-ES" 2 "only digests of SEV-SNP" "$cloister" measure snp --ovmf "$ovmf" --mode seves --explain "$real"
expect "explain: the firmware's digest" 2 "--explain is for" "$cloister" measure snp --ovmf "$ovmf" --mode snp:ovmf-hash --explain "$real"
expect "explain: and more" 2 "writes neither" "$cloister" measure snp --ovmf "$ovmf" --dump-vmsa --explain "$real"
expect "explain: too many" 2 "--max-vcpus" "$cloister" measure snp --ovmf "$ovmf" --max-vcpus 5000 --explain "$real"

# IGVM files: as computed by another implementation.
igvm=$CLOISTER_TESTS/vectors/igvm
for file in minimal everything no-vmsa id-block; do
    for vmm in qemu hyperv; do
        expect "$file.igvm as $vmm" 0 "$(jq -r ".\"$file\".$vmm" "$igvm/cases.json")" "$cloister" measure snp --igvm "$igvm/$file.igvm" --vmm "$vmm"
    done
done
expect "IGVM: what else" 0 '"guest_policy": "0xb0000"' "$cloister" measure snp --igvm "$igvm/everything.igvm" --json
expect "IGVM: for one vCPU, said in JSON" 0 "for a guest of one vCPU" "$cloister" measure snp --igvm "$igvm/id-block.igvm" --json
expect "IGVM: for one vCPU, said in text" 0 "warning: measure snp: the digest is for a guest of one vCPU" "$cloister" measure snp --igvm "$igvm/id-block.igvm"
expect "IGVM: more than one vCPU" 2 "not predicted for more" "$cloister" measure snp --igvm "$igvm/id-block.igvm" --vcpus 4
expect "IGVM: no registers" 0 "no VP context" "$cloister" measure snp --igvm "$igvm/no-vmsa.igvm" --json
expect "IGVM: its ID block agrees" 0 '"id_block_agrees": true' "$cloister" measure snp --igvm "$igvm/id-block.igvm" --json
expect "IGVM: its ID block is of another" 1 "its ID block is for 0000" "$cloister" measure snp --igvm "$igvm/id-block-of-another.igvm"
expect "IGVM: a new ID block" 0 '"id_auth"' "$cloister" measure snp --igvm "$igvm/id-block-of-another.igvm" --id-block option --id-key "$vectors/id-key.pem" --json
expect "IGVM: two VMSAs in QEMU" 3 "QEMU with KVM" "$cloister" measure snp --igvm "$igvm/two-vmsas.igvm"
expect "IGVM: and in Hyper-V" 0 "$(jq -r '."two-vmsas".hyperv' "$igvm/cases.json")" "$cloister" measure snp --igvm "$igvm/two-vmsas.igvm" --vmm hyperv
real=$(jq -r .everything.hyperv "$igvm/cases.json")
expect "IGVM: explained" 1 "the digest is right for VMM hyperv, you said qemu" "$cloister" measure snp --igvm "$igvm/everything.igvm" --explain "$real"
expect "IGVM: right" 0 "right as hyperv loads the file" "$cloister" measure snp --igvm "$igvm/everything.igvm" --vmm hyperv --explain "$real"
expect "IGVM: right, as JSON" 0 '"vmm": "hyperv"' "$cloister" measure snp --igvm "$igvm/everything.igvm" --vmm HyperV --explain "$real" --json
expect "IGVM: both alike" 0 "right as qemu loads the file" "$cloister" measure snp --igvm "$igvm/minimal.igvm" --explain "$(jq -r .minimal.hyperv "$igvm/cases.json")"
expect "IGVM: not explained" 1 "another one's" "$cloister" measure snp --igvm "$igvm/minimal.igvm" --explain "$real"
expect "IGVM: explain what is none" 3 "no signature IGVM" "$cloister" measure snp --igvm "$ovmf" --explain "$real"
expect "IGVM: explain for another VMM" 2 "qemu and hyperv load IGVM files" "$cloister" measure snp --igvm "$igvm/minimal.igvm" --vmm gce --explain "$real"
expect "IGVM: another VMM" 2 "VMM ec2 loads no such files" "$cloister" measure snp --igvm "$igvm/minimal.igvm" --vmm ec2
expect "IGVM: and a firmware" 2 "the file says all of it" "$cloister" measure snp --igvm "$igvm/minimal.igvm" --ovmf "$ovmf"
expect "IGVM: SEV-ES" 2 "--igvm is for mode snp" "$cloister" measure snp --igvm "$igvm/minimal.igvm" --mode seves
expect "IGVM: no such file" 3 "no signature IGVM" "$cloister" measure snp --igvm "$ovmf"

# What is not taken.
# shellcheck disable=SC2086 # options, split on purpose
not() { expect "$1" "$2" "$3" "$cloister" measure snp --ovmf "$ovmf" $4; }
not "no CPUs" 2 "--vcpus is missing" "--vcpu-type EPYC"
not "no CPU" 2 "at least one" "--vcpus 0 --vcpu-type EPYC"
not "too many" 2 "up to 4096" "--vcpus 4097 --vcpu-type EPYC"
not "no CPU model" 2 "the CPU model is part of the digest" "--vcpus 1"
not "an unknown model" 2 "no such CPU model: EPYC-Naples" "--vcpus 1 --vcpu-type EPYC-Naples"
not "two models" 2 "two vCPU types: signature 0x00000001, and 0x00800f12" "--vcpus 1 --vcpu-type EPYC --vcpu-sig 0x1"
not "a model said twice" 0 "" "--vcpus 1 --vcpu-type EPYC --vcpu-sig 0x00800f12 --vcpu-family 23 --vcpu-model 1 --vcpu-stepping 2"
not "half a model" 2 "--vcpu-model is missing" "--vcpus 1 --vcpu-family 25"
not "a model that cannot be" 2 "no such CPU: family 25" "--vcpus 1 --vcpu-family 25 --vcpu-model 256 --vcpu-stepping 0"
not "hex or decimal" 2 "Write 0x21" "--vcpus 1 --vcpu-type EPYC --guest-features 21"
not "no hex" 2 "no hex number" "--vcpus 1 --vcpu-type EPYC --guest-features 0x"
not "a signature of 33 bits" 2 "up to 0xffffffff" "--vcpus 1 --vcpu-sig 0x100000000"
not "an unknown mode" 2 "no such mode: tdx" "--mode tdx"
not "an unknown VMM" 2 "no such VMM: xen" "--vmm xen --vcpus 1"
not "IGVM's VMM" 2 "VMM hyperv has no mode snp" "--vmm hyperv --vcpus 1"
not "an initrd alone" 2 "--initrd needs --kernel" "--vcpus 1 --vcpu-type EPYC --initrd $ovmf"
not "a command line alone" 2 "--cmdline needs --kernel" "--vcpus 1 --vcpu-type EPYC --append x"
not "no SVSM" 2 "--svsm is missing" "--mode snp:svsm --vcpus 1 --vcpu-type EPYC"
not "no variables" 2 "--vars-size or --vars-file" "--mode snp:svsm --vcpus 1 --vcpu-type EPYC --svsm $vectors/svsm.fd"
not "an SVSM elsewhere" 2 "are for mode snp:svsm" "--vcpus 1 --vcpu-type EPYC --svsm $vectors/svsm.fd"
not "a start in SEV" 2 "--ovmf-hash is for mode snp" "--mode sev --ovmf-hash 00"
not "half a digest" 2 "expected 48 bytes of hex" "--vcpus 1 --vcpu-type EPYC --ovmf-hash 0011"
not "another format" 2 "hex or base64, not text" "--vcpus 1 --vcpu-type EPYC --output-format text"
not "an ID block nobody signs" 2 "needs --id-key" "--vcpus 1 --vcpu-type EPYC --id-block option"
not "a key for nothing" 2 "--id-block says where to" "--vcpus 1 --vcpu-type EPYC --id-key $vectors/id-key.pem"
not "an ID block in SEV-ES" 2 "--id-block is for SEV-SNP guests" "--mode seves --vcpus 1 --vcpu-type EPYC --id-block option --id-key $vectors/id-key.pem"
not "a short family" 2 "--family-id: expected 16 bytes" "--vcpus 1 --vcpu-type EPYC --id-block option --id-key $vectors/id-key.pem --family-id 00"
not "no key" 3 "cases.json" "--vcpus 1 --vcpu-type EPYC --id-block option --id-key $vectors/cases.json"
not "a word" 2 "unexpected argument word" "word"
expect "no firmware" 2 "--ovmf is missing" "$cloister" measure snp --vcpus 1 --vcpu-type EPYC
expect "absent" 3 "No such file" "$cloister" measure snp --ovmf none --vcpus 1 --vcpu-type EPYC
expect "an unmeasured kernel" 3 "unmeasured" "$cloister" measure snp --ovmf "$vectors/no-hashes.fd" --vcpus 1 --vcpu-type EPYC --kernel "$vectors/kernel"
expect "no firmware for SNP" 3 "no SEV-ES reset block" "$cloister" measure snp --ovmf "$vectors/kernel" --vcpus 1 --vcpu-type EPYC --mode seves
expect "no whole pages" 3 "no whole pages" "$cloister" measure snp --ovmf "$vectors/kernel" --vcpus 1 --vcpu-type EPYC
exit "$failed"
