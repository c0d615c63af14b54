#!/bin/sh
# Launch digests of SEV-SNP, SEV-ES and SEV guests and ID blocks, with sev-snp-measure.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
python_tools sev-snp-measure
ovmf=/usr/share/ovmf/OVMF.fd
[ -r $ovmf ] || skip "no $ovmf"
cd "$work" || exit 4
need openssl python3 sev-snp-measure snp-create-id-block
version=$(python_version sev-snp-measure)
head -c 40000 /dev/urandom >vmlinuz
head -c 50000 /dev/urandom >initrd

# same NAME OPTION…: the digest of each, with the same options.
same() {
    name=$1
    shift
    theirs=$(sev-snp-measure "$@" 2>theirs.log) || fail "$name: sev-snp-measure: $(tail -n 1 theirs.log)"
    own=$("$cloister" measure snp "$@" 2>own.log) || fail "$name: $(cat own.log)"
    [ "$theirs" = "$own" ] || fail "$name: sev-snp-measure says $theirs, we $own"
}
# Debian's OVMF has metadata for SEV in some releases alone: without, there are no kernel hashes.
for type in EPYC-v4 EPYC-Milan EPYC-Rome; do
    same "$type" --mode snp --ovmf $ovmf --vcpus 3 --vcpu-type $type
done
same "features" --mode snp --ovmf $ovmf --vcpus 1 --vcpu-type EPYC-v4 --guest-features 0x21
same "another VMM" --mode snp --ovmf $ovmf --vcpus 2 --vcpu-type EPYC-v4 --vmm-type ec2
same "SEV-ES" --mode seves --ovmf $ovmf --vcpus 2 --vcpu-type EPYC-v4
same "SEV" --mode sev --ovmf $ovmf --vcpus 1 --vcpu-type EPYC-v4
if sev-snp-measure --mode snp --ovmf $ovmf --vcpus 1 --vcpu-type EPYC-v4 --kernel vmlinuz >/dev/null 2>&1; then
    same "a kernel" --mode snp --ovmf $ovmf --vcpus 2 --vcpu-type EPYC-v4 --kernel vmlinuz --initrd initrd --append "console=ttyS0 x"
fi
held "launch digest" sev-snp-measure "$version" "equal"

# ID blocks: ECDSA signatures differ each time, so that the block and the keys are compared, and their signatures are
# checked by us.
for key in id author; do openssl ecparam -name secp384r1 -genkey -noout -out $key.key 2>/dev/null; done
"$cloister" measure snp --ovmf $ovmf --vcpus 2 --vcpu-type EPYC-v4 --output-format base64 >digest 2>/dev/null || fail "digest in base64"
snp-create-id-block --measurement "$(cat digest)" --idkey id.key --authorkey author.key >theirs 2>theirs.log ||
    fail "snp-create-id-block: $(tail -n 1 theirs.log)"
"$cloister" measure snp --launch-digest "$(cat digest)" --id-block ours --id-key id.key --author-key author.key >/dev/null 2>own.log ||
    fail "ID block: $(cat own.log)"
cat >compare.py <<'PY'
import base64, re, sys
def parts(path):
    text = open(path).read()
    found = re.findall(r"id-(block|auth)=([A-Za-z0-9+/=]+)", text)
    block, auth = (base64.b64decode(dict(found)[name]) for name in ("block", "auth"))
    # ID_BLOCK whole; ID_AUTH: algorithms, and the two keys without the signatures.
    return block, auth[:0x40], auth[0x240:0x240 + 0x404], auth[0x680 + 0x200 - 0x240 + 0x240:]
ours, theirs = parts("ours"), parts("theirs")
for name, a, b in zip(("block", "algorithms", "ID key"), ours, theirs):
    if a != b:
        sys.exit(f"{name}: {a.hex()[:200]} and {b.hex()[:200]}")
PY
python3 compare.py 2>compare.log || fail "ID blocks differ: $(cat compare.log)"
held "ID block" snp-create-id-block "$version" "equal"
exit "$failed"
