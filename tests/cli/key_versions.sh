#!/bin/sh
# Reference values and policies of an older version than a broker took are refused, however well they are signed: here, over the
# network, under another path, after what they were for was removed; and what an owner does who means it.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
skip_without openssl jq
# shellcheck source=tests/cli/key_lib.sh
. "$(dirname "$0")/key_lib.sh"
cd "$work" || exit 1
path=default/disk/demo

# set_of VALUE [NAME]: reference values in which PCR 12 is that.
set_of() {
    printf '{"cloister_reference":1,"name":"%s","origin":"prediction","events":{},"pcrs":{"sha256":{"12":"%064d"}}}' "${2:-demo}" "$1"
}
# policy_of VERSION: a member "version", or none.
policy_of() {
    printf '{"cloister_policy":1,"name":"mine",%s"tee":["snp"],"roots":["amd"],"accept_weak":"a test"}' "${1:+\"version\":$1,}"
}
make_key owner
make_key stranger
for who in owner stranger; do openssl ec -in $who.key -pubout -out $who.pub 2>/dev/null || fail "a public key"; done
for n in 4 5 6 7; do
    set_of $n >$n.json
    "$cloister" measure convert $n.json --set-version $n --key owner.key --output $n.corim || fail "version $n signed"
    "$cloister" measure convert $n.json --set-version $n --to json --output $n.ref.json || fail "version $n"
done
"$cloister" measure convert 4.json --key owner.key --output none.corim || fail "one without a version"
policy_of '' >policy
printf 'a secret that nobody prints' >secret

# The version travels: in the file, in the CoRIM's tag, and back.
[ "$(jq .version 5.ref.json)" = 5 ] || fail "the file's version"
"$cloister" measure convert 5.corim --public-key owner.pub --to show | jq -e '.tag_version == 5' >out || fail "the tag's version: $(cat out)"
"$cloister" measure convert 5.corim --public-key owner.pub --to json | jq -e '.version == 5' >out || fail "read back: $(cat out)"
for n in 9007199254740992 -1 x; do
    expect "version $n" 2 "--set-version" "$cloister" measure convert 4.json --set-version $n --to json
done
expect "a form without versions" 2 "--set-version is for" "$cloister" measure convert 4.json --set-version 4 --to coserv --key owner.key
sed 's/"version": 5/"version": 0/' 5.ref.json >zero.json
expect "a file of version 0" 3 '"version": 1 to 9007199254740991 are expected' "$cloister" measure convert zero.json --to json

# shellcheck disable=SC2317 # expect calls it
put() { "$cloister" key put --state state "$1" secret --policy policy --same-secret --reference-key owner.pub --reference "$2"; }
# shellcheck disable=SC2317
terms() {
    file=$1
    shift
    "$cloister" key terms "$path" --state state --policy policy --reference "$file" "$@"
}
expect "version 5" 0 "released on 1 reference file" put $path 5.corim
expect "the same one again" 0 "released by" terms 5.corim --reference-key owner.pub

# Who may have signed it.
expect "a stranger's key" 1 "signature" terms 5.corim --reference-key stranger.pub
expect "not signed" 1 "not a CoRIM, and one that is signed is wanted" terms 5.ref.json --reference-key owner.pub
expect "signed, and no key named" 2 "--reference-key" terms 5.corim
expect "a key, and no values" 2 "--reference-key is for --reference" "$cloister" key terms "$path" --state state --policy policy --reference-key owner.pub
cp 6.corim changed.corim
invert changed.corim 120
expect "changed on the way" 1 "signature" terms changed.corim --reference-key owner.pub

# Older ones, in each way in which they may be brought.
old='reference values "demo": is version 4, and version 5 was accepted before'
expect "an old signed set" 1 "$old" terms 4.corim --reference-key owner.pub
expect "another path" 1 "$old" put default/disk/other 4.corim
expect "without its signature" 1 "$old" terms 4.ref.json
"$cloister" measure convert 4.json --set-version 4 --key stranger.key --output stranger.corim || fail "signed by another key"
expect "signed by another key" 1 "$old" terms stranger.corim --reference-key stranger.pub
none='reference values "demo": has no version, and version 5 was accepted before'
expect "of before there were versions" 1 "$none" terms none.corim --reference-key owner.pub
expect "an old file" 1 "$none" terms 4.json
"$cloister" key remove $path --state state || fail "removed"
expect "put after it was removed" 1 "$old" put $path 4.corim
expect "nothing was put" 0 "" "$cloister" key list --state state
grep -q demo out && fail "put all the same: $(cat out)"
set_of 4 another >another.json
expect "another name" 0 "bytes" "$cloister" key put --state state $path secret --policy policy --reference another.json
expect "back to its name" 0 "released by" terms 5.corim --reference-key owner.pub
expect "a newer one" 0 "released by" terms 6.corim --reference-key owner.pub
expect "which is the limit from now on" 1 "is version 5, and version 6 was accepted before" terms 5.corim --reference-key owner.pub

# One of two that is older: neither is taken, nor does the newer one count.
set_of 9 another >9.json
"$cloister" measure convert 9.json --set-version 9 --to json --output 9.ref.json || fail "version 9"
expect "an old one next to a newer one" 1 "is version 4" terms 9.ref.json --reference 4.ref.json
expect "the newer one was not counted" 0 "released by" terms another.json

# An update allows the running image and the next one: in either order, and again. The older of them is the limit then, until it goes.
expect "two of one name" 0 "released by" terms 6.ref.json --reference 7.ref.json
expect "and again" 0 "released by" terms 6.ref.json --reference 7.ref.json
expect "in the other order" 0 "released by" terms 7.ref.json --reference 6.ref.json
expect "one of two that is too old" 1 "is version 5, and version 6 was accepted before" terms 7.ref.json --reference 5.ref.json
# In another repository, which others administer, a name is another one: it neither goes on nor back by what is put there.
# shellcheck disable=SC2317 # expect calls it
put_there() { "$cloister" key put --state state theirs/disk/demo secret --policy policy --same-secret --reference "$@"; }
expect "much newer, elsewhere" 0 "bytes" put_there 7.ref.json
expect "and set back there" 0 "bytes" put_there 4.ref.json --accept-older "theirs"
expect "ours goes on from where it was" 1 "is version 5, and version 6 was accepted before" terms 5.ref.json
expect "and on" 0 "released by" terms 6.ref.json

# Policies.
policy_of 2 >policy
expect "policy 2" 0 'released by policy "mine"' terms 6.ref.json
sed 's/a test/another reason/' policy >other
cp policy kept && cp other policy
expect "another policy 2" 1 'policy "mine": another one of version 2 was accepted before' terms 6.ref.json
cp kept policy
expect "the same policy 2" 0 'released by policy "mine"' terms 6.ref.json
policy_of 1 >policy
expect "policy 1" 1 'policy "mine": is version 1, and version 2 was accepted before' terms 6.ref.json
policy_of '' >policy
expect "a policy without a version" 1 'policy "mine": has no version, and version 2 was accepted before' terms 6.ref.json
sed 's/"name":"mine",/"version":3,/' policy >nameless
expect "a version of nothing" 3 '"version" of a policy without a "name"' "$cloister" key terms "$path" --state state --policy nameless
policy_of 2 >policy

# An owner who means it: once, with a reason; then that is the limit.
expect "no reason" 2 "--accept-older: a reason" terms 5.ref.json --accept-older ""
expect "back to 5" 0 "released by" terms 5.ref.json --accept-older "6 does not boot"
expect "5 again" 0 "released by" terms 5.ref.json
expect "and no further" 1 "is version 4, and version 5 was accepted before" terms 4.ref.json
"$cloister" audit-log show --state state --resource $path >trail || fail "the trail"
[ "$(grep -c 'older versions accepted: 6 does not boot' trail)" = 1 ] || fail "the trail does not say why: $(cat trail)"

# A copy of the state knows what the state knew.
"$cloister" key backup copy --state state || fail "a copy"
"$cloister" key restore copy --state restored || fail "restored"
expect "restored" 1 "is version 4, and version 5 was accepted before" "$cloister" key terms "$path" --state restored --policy policy --reference 4.ref.json

# Over the network: going back is a word of its own, which a role may leave out.
pem=$(sed 's/$/\\n/' owner.pub | tr -d '\n')
cat >admin.json <<EOF
{"cloister_admin": 1, "keys": [{"pem": "$pem"}],
 "roles": {"admin": ["^/cloister/v0/key/.+$"], "pipeline": ["^/cloister/v0/key/terms/default/.+$", "^/cloister/v0/key/put/default/.+$"]}}
EOF
"$cloister" serve --state state --print-key broker.pem || fail "its key"
start log --admin admin.json
# shellcheck disable=SC2317
key() { role=$1; shift; "$cloister" key "$@" --broker "$url" --broker-key broker.pem --admin-key owner.key --admin-role "$role"; }
expect "an old set over the network" 1 "$old" key pipeline terms $path --policy policy --reference 4.corim --reference-key owner.pub
expect "an old set put over the network" 1 "$old" key pipeline put default/disk/other secret --same-secret --policy policy --reference 4.ref.json
expect "a newer one over the network" 0 "released by" key pipeline terms $path --policy policy --reference 6.corim --reference-key owner.pub
expect "back, by a role that may not" 1 "the token's role does not allow this" key pipeline terms $path --policy policy --reference 5.ref.json --accept-older "a test"
expect "put back, by a role that may not" 1 "the token's role does not allow this" key pipeline put $path secret --policy policy --reference 5.ref.json --accept-older "a test"
expect "back, by one that may" 0 "released by" key admin terms $path --policy policy --reference 5.ref.json --accept-older "6 hangs"
expect "put back" 0 "bytes" key admin put $path secret --same-secret --policy policy --reference 4.ref.json --accept-older "and 5, too"
stop
"$cloister" audit-log show --state state --resource $path >trail || fail "the trail"
for why in "6 hangs" "and 5, too"; do
    grep -q "by an administrator (admin), older versions accepted: $why" trail || fail "the trail does not say '$why': $(cat trail)"
done

[ "$failed" = 0 ] && echo "versions: older reference values and policies are refused, here and over the network"
exit "$failed"
