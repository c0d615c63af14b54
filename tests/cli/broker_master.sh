#!/bin/sh
# A broker's master key that is written down only sealed to a private key: in a file, in a TPM, in a PKCS #11 token.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
skip_without openssl jq curl
cd "$work" || exit 4

echo '{"cloister_policy":1,"name":"weak","tee":["snp"],"roots":["amd"],"snp":{"measurement":"any"},"accept_weak":"a test"}' >policy
printf 'a secret that nobody prints' >secret
path=default/disk/demo

# master ARGUMENT…: cloister key master.
# shellcheck disable=SC2317 # expect calls it
master() { "$cloister" key master "$@"; }

# try_key NAME URI OPTION…: a master key that is sealed to that key seals a broker's secrets, and opens them.
try_key() {
    place=$1 uri=$2
    shift 2
    expect "$place: made" 0 "" master --make "$place.master" --seal-to "$uri" "$@"
    [ "$(stat -c %a "$place.master")" = 600 ] || fail "$place: others can read it"
    rm -rf state
    "$cloister" key put $path secret --state state --policy policy >/dev/null 2>&1 || fail "$place: put"
    expect "$place: sealed" 0 "1 secret sealed" master --state state --new "$place.master"
    expect "$place: opened" 0 "sealed under a master key" master --state state --master-key "$place.master"
    expect "$place: put under it" 0 "27 bytes" "$cloister" key put $path secret --state state --policy policy --master-key "$place.master"
    expect "$place: serve has it" 0 "BEGIN PUBLIC KEY" "$cloister" serve --state state --master-key "$place.master" --print-key -
}

for kind in "EC -pkeyopt ec_paramgen_curve:P-256" "EC -pkeyopt ec_paramgen_curve:P-521" "RSA -pkeyopt rsa_keygen_bits:2048"; do
    # shellcheck disable=SC2086
    openssl genpkey -algorithm $kind -out key.pem 2>/dev/null || fail "a key: $kind"
    rm -f file.master
    try_key file "file:$work/key.pem"
done

# What is not that key, or not that file.
expect "made once" 4 "exists" master --make file.master --seal-to "file:$work/key.pem"
cp key.pem kept.pem
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem 2>/dev/null
expect "another key" 1 "not sealed to this key, or changed" master --state state --master-key file.master
rm key.pem
expect "no key" 3 "file.master: key file:$work/key.pem: no key store" master --state state --master-key file.master
cp kept.pem key.pem
tag=$(jq -r .sealed.tag file.master)
case $tag in A*) first=B ;; *) first=A ;; esac
sed "s/\"tag\":\"./\"tag\":\"$first/" file.master >changed.master
chmod 600 changed.master
expect "a changed file" 1 "not sealed to this key, or changed" master --state state --master-key changed.master
cp file.master open.master
chmod 644 open.master
expect "one that others can read" 1 "others can read the master key" master --state state --master-key open.master
echo '{"cloister_master_key":1,"key":"file:x","sealed":{},"pin":"1234"}' >odd.master
chmod 600 odd.master
expect "a member too many" 3 "odd.master: sealed master key: unknown member" master --state state --master-key odd.master
expect "a PIN is not told" 3 "key file:$work/none?: no key store" master --make no.master --seal-to "file:$work/none?pin-value=1234"
grep -q 1234 err && fail "the PIN is told: $(cat err)"
expect "no such provider" 4 "provider nosuchprovider" master --make no.master --seal-to file:x --provider nosuchprovider
expect "a public key" 3 "holds no private key" sh -c "openssl pkey -in key.pem -pubout -out pub.pem && \"$cloister\" key master --make no.master --seal-to file:$work/pub.pem"
expect "sealed to, and not made" 2 "--seal-to is for --make" master --state state --seal-to file:x
[ ! -e no.master ] || fail "what was refused left a file"

# In a TPM, where swtpm and OpenSSL's provider for TPMs are installed.
if found swtpm "a key in a TPM is not tried"; then
    begin_tpm tpm "$work/tpm.sock"
    trap 'kill "$tpm_pid" 2>/dev/null; rm -rf "$work"' EXIT
    export TPM2OPENSSL_TCTI="swtpm:path=$work/tpm.sock" TSS2_LOG=all+none
    if openssl list -providers -provider tpm2 >/dev/null 2>&1; then
        openssl genpkey -provider tpm2 -provider default -algorithm EC -pkeyopt group:P-256 -out tpm.pem 2>/dev/null || fail "a key in a TPM"
        try_key tpm "file:$work/tpm.pem" --provider tpm2
        kill "$tpm_pid"
        wait "$tpm_pid" 2>/dev/null
        expect "without the TPM" 4 "provider tpm2" master --state state --master-key tpm.master
    else
        echo "note: OpenSSL has no provider for TPMs here: a key in a TPM is not tried"
    fi
fi

# make_key_on URI ALGORITHM OPTION: a key that the token makes; false: it makes none. What genpkey ends with says nothing: it wants to write the key, too.
make_key_on() {
    timeout 120 openssl genpkey -propquery provider=pkcs11 -algorithm "$2" -pkeyopt "$3" -pkeyopt "pkcs11_uri:$1" >/dev/null 2>&1
    timeout 120 openssl storeutl -keys "$1" 2>/dev/null </dev/null | grep -q '^Total found: [1-9]'
}

# try_tokens: two tokens, one of them and a key of odd names; PINs in files and wrong ones; a token that is away, and a key that is gone. What is sealed
# stays, and opens again.
try_tokens() {
    softhsm2-util --init-token --free --label 'two; odd/=?&% é' --pin 4321 --so-pin 1234 >/dev/null
    two='token=two%3B%20odd%2F%3D%3F%26%25%20%C3%A9'
    make_key_on "pkcs11:token=test;object=b%3B%20odd%20%C3%A9%25;pin-value=1234" EC ec_paramgen_curve:P-384 || fail "a key of an odd name"
    make_key_on "pkcs11:$two;object=master;pin-value=4321" EC ec_paramgen_curve:P-256 || fail "a key on the other token"
    make_key_on "pkcs11:token=test;object=rsa;pin-value=1234" RSA rsa_keygen_bits:2048 || fail "an RSA key"
    printf 1234 >pin1 && printf 4321 >pin2 && printf 9999 >bad
    try_key label "pkcs11:token=test;object=b%3B%20odd%20%C3%A9%25;type=private?pin-source=file:$work/pin1" --provider pkcs11
    try_key two "pkcs11:$two;object=master;type=private?pin-source=file:$work/pin2" --provider pkcs11
    expect "one token's key, and the other's" 1 "sealed under another master key" master --state state --master-key label.master
    expect "from one token to the other" 0 "1 secret sealed" master --state state --master-key two.master --new label.master
    expect "and back" 0 "1 secret sealed" master --state state --master-key label.master --new two.master
    lacks="holds no private key: is the token there, the PIN right, and the key on it?"
    no_key() { master --make no.master --provider pkcs11 --seal-to "$1"; }
    expect "more than one key" 3 "names more than one private key" no_key "pkcs11:token=test;type=private?pin-source=file:$work/pin1"
    expect "a token that is not there" 3 "$lacks" no_key "pkcs11:token=none;object=master;type=private?pin-source=file:$work/pin1"
    expect "a key that is not there" 3 "$lacks" no_key "pkcs11:token=test;object=none;type=private?pin-source=file:$work/pin1"
    expect "a wrong PIN" 3 "$lacks" no_key "pkcs11:token=test;object=master;type=private?pin-source=file:$work/bad"
    expect "a wrong PIN in the URI" 3 "$lacks" no_key "pkcs11:token=test;object=master;type=private;pin-value=9999"
    grep -q 9999 err && fail "the PIN is told: $(cat err)"
    expect "no file with a PIN" 3 "no key store that can be opened" no_key "pkcs11:token=test;object=master;type=private?pin-source=file:$work/none"
    # SoftHSM does OAEP with SHA-1 alone; another token may do better.
    status=0
    no_key "pkcs11:token=test;object=rsa;type=private?pin-source=file:$work/pin1" >out 2>err || status=$?
    case $status in
    0) rm no.master ;;
    *) grep -q "cannot be opened by it" err || fail "an RSA key: $(cat err)" ;;
    esac
    [ ! -e no.master ] || fail "what was refused left a file"
    # A broker that runs has the key already; one that is started needs the token.
    begin_broker log --state state --master-key two.master
    trap 'kill "$tpm_pid" "$pid" 2>/dev/null; rm -rf "$work"' EXIT
    mv tokens away && mkdir tokens
    curl -sk "https://127.0.0.1:$port/healthz" >health || fail "a broker whose token was taken away"
    grep -q '"status":"ok"\|ok' health || fail "a broker whose token was taken away: $(cat health)"
    kill "$pid" && wait "$pid"
    expect "a start without the token" 3 "two.master: key pkcs11:$two;object=master;type=private?pin-source=file:$work/pin2: $lacks" \
        "$cloister" serve --state state --master-key two.master --print-key -
    rmdir tokens && mv away tokens
    expect "the token is back" 0 "sealed under a master key" master --state state --master-key two.master
    if found pkcs11-tool "a key that is deleted is not tried"; then
        pkcs11-tool --module "$softhsm" --token-label test --login --pin 1234 --delete-object --type privkey --label master >/dev/null 2>&1 || fail "a key is deleted"
        expect "its key was deleted" 3 "token.master: key pkcs11:token=test;object=master;type=private;: $lacks" master --state state --master-key token.master
    fi
    expect "the other one's is there" 0 "sealed under a master key" master --state state --master-key two.master
}
tpm_pid=

# In a PKCS #11 token, where SoftHSM and OpenSSL's provider for it are installed. Its key has to be one that may derive.
if find_token; then
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out token.pk8 2>/dev/null
    make_token token.pk8 imported
    # A token that does not answer is not waited for.
    printf '#!/bin/sh\nexec timeout 120 "%s" "$@"\n' "$cloister" >limited
    chmod +x limited
    cloister=$work/limited
    if make_key_on 'pkcs11:token=test;object=master;pin-value=1234' EC ec_paramgen_curve:P-256; then
        try_key token 'pkcs11:token=test;object=master;type=private;pin-value=1234' --provider pkcs11
        expect "a key that may not derive" 4 "what is sealed to this key cannot be opened by it" \
            master --make no.master --provider pkcs11 --seal-to 'pkcs11:token=test;object=imported;type=private;pin-value=1234'
        [ ! -e no.master ] || fail "what was refused left a file"
        try_tokens
    else
        echo "note: SoftHSM makes no key for OpenSSL's pkcs11 provider here: a key in a token is not tried"
    fi
else
    echo "note: no SoftHSM with OpenSSL's pkcs11 provider here: a key in a token is not tried"
fi
exit "$failed"
