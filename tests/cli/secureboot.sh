#!/bin/sh
# Secure Boot's keys, and a variable store with them: made, enrolled, shown; and what is not taken.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
cd "$work" || exit 4
find_varstore

# Keys: each a pair, the private halves for the owner alone, and nothing overwritten.
expect "keygen" 0 "db.crt" "$cloister" secureboot keygen --output keys --name 'Example "Ltd"'
for key in PK KEK db; do
    [ "$(stat -c %a "keys/$key.key")" = 600 ] || fail "$key.key can be read by others"
    openssl x509 -in "keys/$key.crt" -noout -pubkey >cert.pub 2>/dev/null || fail "$key.crt is not a certificate"
    openssl pkey -in "keys/$key.key" -pubout >key.pub 2>/dev/null || fail "$key.key is not a key"
    cmp -s cert.pub key.pub || fail "$key: key and certificate do not belong together"
done
openssl x509 -in keys/db.crt -noout -subject | grep -q 'Example' || fail "the name is not in the certificate"
sha256sum keys/* >sums
expect "keygen as JSON" 0 '"certificate": "json-keys/db.crt"' "$cloister" secureboot keygen --output json-keys --type p256 --json
grep -q "$(openssl x509 -in json-keys/KEK.crt -outform DER | sha256sum | cut -d ' ' -f 1)" out || fail "keygen --json: another digest"
expect "keygen again" 2 "keys/PK.key" "$cloister" secureboot keygen --output keys
sha256sum --quiet -c sums || fail "a second keygen changed the keys"

enroll() { "$cloister" secureboot enroll --input "$varstore" --pk keys/PK.crt --kek keys/KEK.crt --db keys/db.crt "$@"; }
enroll --output vars.fd >/dev/null || fail "enroll"
enroll --output again.fd >/dev/null || fail "enroll"
cmp -s vars.fd again.fd || fail "another store the second time"
[ "$(stat -c %s vars.fd)" = "$(stat -Lc %s "$varstore")" ] || fail "the store has another size"
expect "show" 0 "PK" "$cloister" secureboot show vars.fd
"$cloister" secureboot show vars.fd --json >show.json || fail "show --json"
for key in PK KEK db; do
    grep -q "$(openssl x509 -in "keys/$key.crt" -outform DER | sha256sum | cut -d' ' -f1)" show.json || fail "show does not name $key"
done
expect "show one without keys" 0 "" "$cloister" secureboot show "$varstore"
# Two of a kind, and over keys that are there already.
"$cloister" secureboot keygen --output other >/dev/null || fail "keygen"
"$cloister" secureboot enroll --input vars.fd --output two.fd --pk keys/PK.crt --kek keys/KEK.crt --db keys/db.crt --db other/db.crt >/dev/null || fail "enroll two"
"$cloister" secureboot show two.fd --json >two.json || fail "show two"
for folder in keys other; do
    grep -q "$(openssl x509 -in "$folder/db.crt" -outform DER | sha256sum | cut -d' ' -f1)" two.json || fail "two db keys: $folder/db.crt is not there"
done

# What is not taken.
printf 'text' >text
head -c 100000 "$varstore" >cut.fd
head -c 3000000 /dev/zero >zeros.fd
expect "store is text" 3 "text: signature list" "$cloister" secureboot show text
expect "store is cut" 3 "cut.fd" "$cloister" secureboot show cut.fd
expect "store is zeros" 3 "zeros.fd: signature list" "$cloister" secureboot show zeros.fd
expect "store is absent" 3 "No such file" "$cloister" secureboot show none
expect "enroll without a key" 2 "--db" "$cloister" secureboot enroll --input "$varstore" --output no.fd --pk keys/PK.crt --kek keys/KEK.crt
expect "certificate is text" 3 "text" "$cloister" secureboot enroll --input "$varstore" --output no.fd --pk text --kek keys/KEK.crt --db keys/db.crt
expect "certificate is a key" 3 "PK.key" "$cloister" secureboot enroll --input "$varstore" --output no.fd --pk keys/PK.key --kek keys/KEK.crt --db keys/db.crt
expect "dbx is not a list" 3 "text" enroll --dbx text --output no.fd
expect "owner is not a GUID" 2 "--owner" enroll --owner me --output no.fd
expect "store to read is cut" 3 "cut.fd" "$cloister" secureboot enroll --input cut.fd --output no.fd --pk keys/PK.crt --kek keys/KEK.crt --db keys/db.crt
head -c 400000 /dev/zero >large
{
    printf '\241\131\300\245\344\224\247\112\207\265\253\025\134\053\360\162' # a list of one certificate, 400000 bytes of it
    printf '\254\032\006\000\000\000\000\000\220\032\006\000'
    head -c 400016 /dev/zero
} >large.esl
expect "dbx that does not fit" 3 "room for" enroll --dbx large.esl --output no.fd
[ ! -e no.fd ] || fail "a refused enrolment left a file"
# A disk that is full leaves no half of the keys: three pages hold PK and the key of KEK.
mkdir full
if unshare -rm mount -t tmpfs -o size=12k tmpfs full 2>/dev/null; then
    # shellcheck disable=SC2016 # the inner shell's
    unshare -rm sh -c 'mount -t tmpfs -o size=12k tmpfs full && ! "$1" secureboot keygen --output full/keys >/dev/null 2>full.err && ls -A full' sh "$cloister" >left || fail "keys on a full disk"
    grep -q 'No space left on device' full.err || fail "a full disk: $(cat full.err)"
    [ ! -s left ] || fail "a full disk keeps: $(cat left)"
fi
exit "$failed"
