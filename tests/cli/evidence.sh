#!/bin/sh
# Asking the hardware, where there is none: what is missing is said; and a pretend TDX guest's registers.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 4
none="--tsm none/tsm --sev-guest none/sev --tdx-guest none/tdx"

# shellcheck disable=SC2086 # $none is a list
{
    expect "no hardware" 4 "none/sev: No such file" "$cloister" evidence report --report-data 00 --output r $none
    expect "no hardware, bundle" 4 "none/tdx: No such file" "$cloister" evidence collect --report-data 00 $none
    expect "a service needs configfs" 4 "none/tsm" "$cloister" evidence report --service svsm --report-data 00 --output r $none
}
[ ! -e r ] || fail "a report out of nothing"
expect "no report data" 2 "--report-data" "$cloister" evidence report --output r
expect "report data too long" 2 "65 bytes" "$cloister" evidence report --output r --report-data "$(printf '%0130d' 0)"
expect "report data is text" 2 "--report-data" "$cloister" evidence report --output r --report-data xy
expect "no such level" 2 "--vmpl" "$cloister" evidence report --output r --report-data 00 --vmpl 4
expect "a manifest of nothing" 2 "--service" "$cloister" evidence report --output r --report-data 00 --manifest m
expect "two bindings" 2 "either" "$cloister" evidence collect --report-data 00 --nonce n
expect "no binding" 2 "either" "$cloister" evidence collect

# Registers: the pretend one keeps what was written, as a plain file does.
mkdir mr
: >mr/rtmr3:sha384
echo hello >file
digest=$(openssl dgst -sha384 -r file | cut -d' ' -f1)
expect "extend by a file" 0 "digest  $digest" "$cloister" evidence extend --rtmr 3 --file file --measurements mr
[ "$(od -An -v -tx1 mr/rtmr3:sha384 | tr -d ' \n')" = "$digest" ] || fail "the register got something else"
expect "extend by a digest" 0 "rtmr3   $digest" "$cloister" evidence extend --rtmr 3 --digest "$digest" --measurements mr
expect "a register that is not there" 4 "rtmr2:sha384" "$cloister" evidence extend --rtmr 2 --file file --measurements mr
expect "no such register" 2 "0 to 3" "$cloister" evidence extend --rtmr 4 --file file --measurements mr
expect "a short digest" 2 "48 expected" "$cloister" evidence extend --rtmr 3 --digest 00 --measurements mr
expect "digest and file" 2 "either" "$cloister" evidence extend --rtmr 3 --digest 00 --file file
expect "no such file" 3 "absent" "$cloister" evidence extend --rtmr 3 --file absent --measurements mr

# Derived keys.
expect "no device" 4 "none/sev" "$cloister" key derive --field policy --output k --device none/sev
expect "a device that is none" 4 "sev-guest" "$cloister" key derive --field policy --output k --device /dev/null
expect "nothing mixed in" 2 "--field" "$cloister" key derive --output k
expect "an unknown field" 2 "--field chip" "$cloister" key derive --field chip --output k
expect "no output" 2 "--output" "$cloister" key derive --field policy
expect "a value without its field" 2 "not selected" "$cloister" key derive --field policy --guest-svn 1 --output k --device /dev/null
[ ! -e k ] || fail "a key out of nothing"
exit "$failed"
