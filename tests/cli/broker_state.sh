#!/bin/sh
# A broker's state: never made by a typo, sealed under a master key, revoked, put under other terms, copied; and its audit trail.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 4

write_policy() {
    printf '{"cloister_policy":1,"name":"%s","tee":["snp"],"roots":["amd"],"snp":{"measurement":"any"},"accept_weak":"a test"}' "$1"
}
write_policy mine >policy
write_policy other >next
printf 'a secret that nobody prints' >secret
path=default/disk/demo

# A typo.
for command in "serve --listen 127.0.0.1:0" "serve --print-key -" "key list" "key remove $path" "key revoke $path" "key lease $path" "key terms $path --policy policy" "key backup copy" \
    "key master" "audit-log show" "audit-log verify" "audit-log checkpoint"; do
    # shellcheck disable=SC2086
    expect "a typo: $command" 3 "no broker keeps its state there" "$cloister" $command --state typo
    [ ! -e typo ] || fail "$command makes a folder"
done
expect "the first time" 0 "BEGIN PUBLIC KEY" "$cloister" serve --init --state state --print-key -
expect "put" 0 "27 bytes" "$cloister" key put $path secret --state state --policy policy

# Files that others can read.
chmod 644 state/store.db
expect "a database that others can read" 1 "store.db: others can read it: chmod 600" "$cloister" key list --state state
chmod 600 state/store.db
chmod 640 state/tls.key
expect "a key that others can read" 1 "tls.key: others can read it" "$cloister" serve --state state --print-key -
chmod 600 state/tls.key

# Other terms, without the secret.
expect "other terms" 0 'released by policy "other"' "$cloister" key terms $path --state state --policy next
expect "and listed" 0 'policy "other"' "$cloister" key list --state state
expect "terms of nothing" 1 "there is none" "$cloister" key terms default/disk/none --state state --policy next
echo '{"cloister_policy":1,"name":"open","tee":["snp"],"roots":["amd"],"snp":{"measurement":"any"}}' >open
expect "terms that leave the guest open" 1 "the policy leaves open" "$cloister" key terms $path --state state --policy open

# Revoked.
expect "revoke" 0 "is revoked" "$cloister" key revoke $path --state state
"$cloister" key list --state state --json | jq -e '.resources[0].revoked' >out || fail "not listed as revoked: $(cat out)"
expect "put under a revoked path" 0 "is still revoked, nothing is released" "$cloister" key put $path secret --state state --policy policy
expect "the same as JSON" 0 '"revoked": true' "$cloister" key put $path secret --state state --policy policy --json
expect "other terms for it" 0 "is still revoked" "$cloister" key terms $path --state state --policy next
"$cloister" key remove $path --state state || fail "removed while it is revoked"
expect "put after it was removed" 0 "'cloister key revoke $path --undo' allows it" "$cloister" key put $path secret --state state --policy policy
expect "allowed again" 0 "is released again" "$cloister" key revoke $path --undo --state state
machine=$(printf '3f0c%060d' 0)
expect "put under what is allowed" 0 "27 bytes" "$cloister" key put $path secret --state state --policy policy
grep -q revoked out && fail "put under what is allowed: $(cat out)"
expect "a machine" 0 "is revoked" "$cloister" key revoke "$machine" --machine --state state
expect "a part of a machine's name" 2 "expected its whole name" "$cloister" key revoke 3f0c --machine --state state
expect "a machine that is not" 1 "is not revoked" "$cloister" key revoke 3f0d --machine --undo --state state

# A limit.
expect "a limit" 0 "27 bytes" "$cloister" key put $path secret --state state --policy policy --limit 3
[ "$("$cloister" key list --state state --json | jq -c '.resources[0] | [.release_limit, .release_count, .sealed]')" = '[3,0,false]' ] || fail "the limit is not listed"

# Sealed.
expect "in the clear" 1 "1 secret lies in the clear" "$cloister" key master --state state
grep -q "nobody prints" state/store.db* || fail "expected in the clear"
"$cloister" key master --make master.key || fail "a master key"
expect "made once" 4 "exists" "$cloister" key master --make master.key
chmod 640 master.key
expect "a master key that others can read" 1 "others can read the master key" "$cloister" key master --state state --new master.key
chmod 600 master.key
printf short >short.key
chmod 600 short.key
expect "a master key that is none" 3 "neither 32 bytes nor 64 digits" "$cloister" key master --state state --new short.key
expect "not unasked" 1 "'cloister key master' seals them" "$cloister" key put $path secret --state state --policy policy --master-key master.key
expect "sealed" 0 "1 secret sealed" "$cloister" key master --state state --new master.key
grep -q "nobody prints" state/store.db* && fail "still in the clear"
expect "said" 0 "are sealed" "$cloister" key master --state state
expect "nothing in the clear any more" 1 "--master-key" "$cloister" key put default/disk/other policy --state state --policy policy
expect "put sealed" 0 "bytes" "$cloister" key put default/disk/other policy --state state --policy policy --master-key master.key
"$cloister" key master --make next.key || fail "another master key"
expect "another one" 1 "sealed under another master key" "$cloister" key master --state state --master-key next.key
expect "rotated" 0 "2 secrets sealed" "$cloister" key master --state state --master-key master.key --new next.key
expect "other terms, shut" 1 "is sealed under a master key" "$cloister" key terms $path --state state --policy next
expect "other terms, sealed anew" 0 'released by policy "other"' "$cloister" key terms $path --state state --policy next --master-key next.key
mkdir credentials
cp next.key credentials/cloister.master-key
CREDENTIALS_DIRECTORY=$work/credentials expect "a credential" 0 "bytes" "$cloister" key put default/disk/third next --state state --policy policy

# The trail.
expect "a checkpoint" 0 '"signature"' "$cloister" audit-log checkpoint --state state
"$cloister" audit-log checkpoint --state state >kept.json || fail "a checkpoint"
expect "verified" 0 "are as they were written" "$cloister" audit-log verify --state state --checkpoint kept.json
expect "shown" 0 "revoke revoked $path" "$cloister" audit-log show --state state
[ "$("$cloister" audit-log show --state state --resource $path --json | jq '[.rows[].resource] | unique | length')" = 1 ] || fail "rows of other resources"
"$cloister" audit-log follow --state state >followed &
follower=$!
# said COUNT: waits until it shows that many rows.
# shellcheck disable=SC2317 # await and others call it
has_said() { [ "$(grep -c "revoke revoked $path" followed)" -ge "$1" ]; }
said() { await has_said "$1" || fail "does not follow: $(cat followed)"; }
said 1
"$cloister" key revoke $path --state state >out || fail "revoke"
said 2
kill $follower

# A copy, from which the state is made again.
"$cloister" key backup copy --state state || fail "a backup"
expect "not over another" 1 "is there already" "$cloister" key backup copy --state state
"$cloister" key restore copy --state again || fail "restored"
expect "not over a state" 1 "is there already" "$cloister" key restore copy --state state
expect "not of anything" 3 "not a backup" "$cloister" key restore credentials --state third
expect "nowhere to put it" 4 "No such file" "$cloister" key backup nowhere/copy --state state
[ -z "$(find . -maxdepth 1 -name '.cloister-*')" ] || fail "scratch folders stay"
expect "as it was" 0 "default/disk/third" "$cloister" key list --state again
expect "with its trail" 0 "are as they were written" "$cloister" audit-log verify --state again --checkpoint kept.json
cmp -s state/tls.key again/tls.key || fail "another key"
[ "$(stat -c %a again again/store.db again/tls.key | tr '\n' ' ')" = '700 600 600 ' ] || fail "modes: $(stat -c '%a %n' again/*)"

# A trail that was touched.
if found sqlite3 "a trail that was touched is not tried"; then
    sqlite3 state/store.db "DELETE FROM audit WHERE id = 2"
    expect "a row removed" 1 "row 2: is missing" "$cloister" audit-log verify --state state
    "$cloister" key backup touched --state state || fail "a backup"
    expect "not restored" 1 "row 2: is missing" "$cloister" key restore touched --state fourth
    [ ! -e fourth ] || fail "a state that was not restored is there"
fi
expect "nothing is old" 0 "0 rows dropped" "$cloister" audit-log prune --state again --keep 1
exit "$failed"
