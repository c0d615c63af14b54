#!/bin/sh
# A broker's master key that is written down only sealed to a private key: in a file, in a TPM, in a PKCS #11 token.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
skip_without openssl
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

# In a PKCS #11 token, where SoftHSM and OpenSSL's provider for it are installed. Its key has to be one that may derive, and SoftHSM is not to be
# ended by a provider: OpenSSL has ended by then.
if find_token; then
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out token.pk8 2>/dev/null
    make_token token.pk8 imported
    cat >openssl.cnf <<EOF
openssl_conf = init
[init]
providers = providers
[providers]
default = default
pkcs11 = pkcs11
[default]
activate = 1
[pkcs11]
pkcs11-module-path = $softhsm
pkcs11-module-quirks = no-deinit no-operation-state
activate = 1
EOF
    export OPENSSL_CONF="$work/openssl.cnf"
    # A token that does not answer is not waited for.
    printf '#!/bin/sh\nexec timeout 120 "%s" "$@"\n' "$cloister" >limited
    chmod +x limited
    cloister=$work/limited
    if timeout 120 openssl genpkey -propquery provider=pkcs11 -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
        -pkeyopt "pkcs11_uri:pkcs11:token=test;object=master;pin-value=1234" >/dev/null 2>&1; then
        try_key token 'pkcs11:token=test;object=master;type=private;pin-value=1234' --provider pkcs11
        expect "a key that may not derive" 4 "what is sealed to this key cannot be opened by it" \
            master --make no.master --provider pkcs11 --seal-to 'pkcs11:token=test;object=imported;type=private;pin-value=1234'
        [ ! -e no.master ] || fail "what was refused left a file"
    else
        echo "note: SoftHSM makes no key for OpenSSL's pkcs11 provider here: a key in a token is not tried"
    fi
else
    echo "note: no SoftHSM with OpenSSL's pkcs11 provider here: a key in a token is not tried"
fi
exit "$failed"
