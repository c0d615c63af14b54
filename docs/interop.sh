#!/bin/bash
# interop.sh CLOISTER CLOISTER-INIT CLOISTER-SIM: runs the tests of formats against other people's tools, and prints docs/interop.md from
# what they held. Fails if one of them does: then there is no page.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cloister=$(realpath -e "$1") init=$(realpath -e "$2") sim=$(realpath -e "$3")
export CLOISTER_TESTS=$here/../tests
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
for test in "$here"/../tests/cli/interop_*.sh; do
    [[ $test != *_lib.sh ]] || continue
    bash "$test" "$cloister" "$init" "$sim" >"$rows.one" 2>/dev/null || { cat "$rows.one" >&2; rm -f "$rows.one"; exit 1; }
    awk -F'\t' -v test="$(basename "$test" .sh)" '$1 == "interop" { print $2 "\t" $3 "\t" $4 "\t" $5 "\t" test }' "$rows.one" >>"$rows"
    rm -f "$rows.one"
done
cat <<'PAGE'
# Formats, and the tools that judge them

Made by `docs/interop.sh`, which runs the tests named at the right: each line was held when the page was made, and is held by every
`./check`. The judge of a format is the tool that people use for it, never our own reading of its specification. A tool of
the distribution that is missing is a failure; one that `sim/lab.sh` fetches is skipped where it was not fetched.

"reads ours": the tool took what Cloister wrote. "ours reads its": Cloister took what the tool wrote. "both ways": both. "equal": both
computed the same bytes.

| format | tool | version | held | test |
| --- | --- | --- | --- | --- |
PAGE
sort -u "$rows" | awk -F'\t' '{ printf "| %s | %s | %s | %s | %s |\n", $1, $2, $3, $4, $5 }'
cat <<'PAGE'

Not everything is equal, and where it is not, the tests say so:

- systemd-measure 252 signs the policies of other banks than sha256 with that bank's hash, where a TPM is told SHA-256; ours hold there.
- efitools' hash-to-efi-sig-list pads a file to 8 bytes as a signature would; firmware, shim and pesign do not, nor do we.
- dcap-qvl refuses some TDs that Cloister warns of (SEPT_VE_DISABLE, service TDs); the test is of quotes that are not among them.
- Trustee takes RSASSA signatures of TPMs alone; RSASSA-PSS verifies here.
- tpm2_eventlog 5.4 does not begin PCR 0 with the startup locality that a log tells.
- systemd-pcrlock's policy may hold several values for a register, one for each phase; a reference file from a policy holds one.

What each format of [DESIGN.md](DESIGN.md), section 4, is held to:

| format | by a tool, above | otherwise |
| --- | --- | --- |
| evidence bundle (CMW) | no tool reads it; its TPM quote by tpm2_checkquote, its log by tpm2_eventlog | Trustee's, dstack's, Azure's and Google's forms of the same pieces, read (`tests/cli/import.sh`, interop_go) |
| reference values | systemd-pcrlock, both ways | firmware's and kernels' measurements in boots (`tests/vm`) |
| CoRIM, CoSERV | the signature by python-cwt, both ways | Veraison's 43 files, read (`tests/unit/test_corim_vectors.c`) |
| policy | none: it is our own | docs/schema/policy.json |
| attestation result (EAR) | the CWT by python-cwt, read | JWTs signed by openssl, read (`tests/cli/corim.sh`); Veraison's and Trustee's files, read |
| key release (KBS) | none in a distribution or registry: Trustee's client is built from its sources alone | exchanges recorded with Trustee's clients, replayed (`tests/unit/test_trustee_wire.c`) |
| PCR signatures | systemd-measure, -creds, -cryptenroll | a guest that boots (`tests/vm`) |
| disks (LUKS2, GPT) | cryptsetup, sgdisk, sfdisk; tokens by systemd-cryptenroll and -cryptsetup | a disk that the guest opens (`tests/vm`) |

Held by boots, in `tests/vm`: what OVMF, shim, systemd's stub and Linux measure (docs/registers.md), and a disk that the guest opens. Held by
vectors of others, in unit tests: SNP reports and launch digests, TDX quotes and collateral, IGVM files, canonical event logs; in
`tests/cli/import.sh`: evidence of Trustee's clients. Tools that the distribution does not have (ukify, systemd-pcrlock, virt-firmware, sev-snp-measure,
dcap-qvl, python-cwt, Go's libraries) are fetched into the cache by `sim/lab.sh`; without them those tests say SKIP, and this page is not made.
Held in tests of their own: dm-verity's hash tree by veritysetup (`tests/cli/verity.sh`), sectors with tags by cryptsetup in a guest with device-mapper, both ways
(`tests/vm/integrity.sh`). Not held by a tool: the canonical event log in CBOR, and the canonical log that we write.
PAGE
