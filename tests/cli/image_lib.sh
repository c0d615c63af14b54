# shellcheck shell=sh disable=SC2034,SC2059,SC2154
# image_lib.sh: small stand-ins for what an image is made of. Sourced after lib.sh.

# A program for the initrd of images that nobody boots: with cloister-init and its libraries an initrd takes as long as the rest of an image.
small_init=/bin/true

# make_kernel FILE: what we look at of a bzImage: its header, and the release that it names.
make_kernel() {
    {
        head -c 514 /dev/zero
        printf 'HdrS'
        head -c 8 /dev/zero
        printf '\020\000'
        printf '6.12.0-test (a@b) #1\000'
        head -c 5000 /dev/zero | tr '\000' k
    } >"$1"
}

# find_stub: systemd's own where it is installed, else the smallest that has its marks. Sets $stub.
find_stub() {
    stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub
    [ -r "$stub" ] || stub=$CLOISTER_TESTS/../fuzz/corpus/pe/stub
}

# find_varstore: OVMF's variables, without keys. Sets $varstore.
find_varstore() {
    for varstore in /usr/share/OVMF/OVMF_VARS_4M.fd /usr/share/edk2/ovmf/OVMF_VARS.fd /usr/share/OVMF/OVMF_VARS.fd; do
        [ -r "$varstore" ] && return
    done
    skip "OVMF's variable store is not installed"
}

# make_modules FOLDER: what depmod leaves of a kernel that has the modules we insist on built in. Sets $modules.
make_modules() {
    modules=$1/lib/modules/6.12.0-test
    mkdir -p "$modules/kernel"
    printf 'kernel/dm-mod.ko\nkernel/dm-crypt.ko\nkernel/xts.ko\nkernel/dm-integrity.ko\nkernel/authenc.ko\nkernel/dm-verity.ko\nkernel/overlay.ko\n' >"$modules/modules.builtin"
    depmod=$(command -v depmod || PATH=$PATH:/sbin:/usr/sbin command -v depmod) || skip "depmod is not installed"
    "$depmod" -b "$1" 6.12.0-test 2>/dev/null || skip "depmod does not work here"
}

# make_image_inputs: all that an image is built of, in this folder: vmlinuz, modules, root, keys, vars.fd, disk.key, broker.pem. Sets
# $varstore, $stub, $modules.
make_image_inputs() {
    find_varstore
    find_stub
    make_kernel vmlinuz
    make_modules tree
    mkdir -p root/etc root/sbin root/usr/bin
    : >root/sbin/init
    printf 'ID=test\nPRETTY_NAME="Test"\n' >root/etc/os-release
    head -c 300000 /dev/urandom >root/usr/bin/program
    "$cloister" secureboot keygen --output keys >/dev/null || fail "keygen"
    "$cloister" secureboot enroll --input "$varstore" --output vars.fd --pk keys/PK.crt --kek keys/KEK.crt --db keys/db.crt >/dev/null || fail "enroll"
    head -c 64 /dev/urandom >disk.key
    openssl ecparam -name prime256v1 -genkey -noout | openssl ec -pubout -out broker.pem 2>/dev/null
}

# image_uki IMAGE FILE: takes the UKI out of the ESP, which begins at 1 MiB.
image_uki() { mcopy -n -i "$1@@1M" ::/EFI/BOOT/BOOTX64.EFI "$2"; }

# make_rsa_key NAME: NAME.key, NAME.pub.
make_rsa_key() {
    openssl genrsa -out "$1.key" 2048 2>/dev/null
    openssl rsa -in "$1.key" -pubout -out "$1.pub" 2>/dev/null
}

# find_token: are SoftHSM and OpenSSL's pkcs11 provider installed?
find_token() {
    softhsm=$(find /usr/lib -name libsofthsm2.so 2>/dev/null | head -n 1)
    command -v softhsm2-util >/dev/null && [ -n "$softhsm" ] && openssl list -providers -provider pkcs11 >/dev/null 2>&1
}

# make_token PKCS8 NAME: a token "test", PIN 1234, with that key.
make_token() {
    mkdir -p tokens
    printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\n' "$work" >softhsm2.conf
    # SoftHSM is not to be ended by a provider: OpenSSL has ended by then. A section "default" would be OpenSSL's own.
    cat >openssl.cnf <<EOF
openssl_conf = init
[init]
providers = providers
[providers]
default = default_section
pkcs11 = token_section
[default_section]
activate = 1
[token_section]
pkcs11-module-path = $softhsm
pkcs11-module-quirks = no-deinit no-operation-state
activate = 1
EOF
    export SOFTHSM2_CONF="$work/softhsm2.conf" PKCS11_PROVIDER_MODULE="$softhsm" OPENSSL_CONF="$work/openssl.cnf"
    softhsm2-util --init-token --free --label test --pin 1234 --so-pin 1234 >/dev/null
    softhsm2-util --import "$1" --token test --label "$2" --id 01 --pin 1234 >/dev/null
}

# unhex TEXT: its bytes.
unhex() { echo "$1" | tr -d ' \n' | sed 's/\(..\)/\1\n/g' | while read -r byte; do [ -n "$byte" ] && printf "\\$(printf %o "0x$byte")"; done; }

# make_uki_inputs: what a UKI with signed policies is made of, in this folder: vmlinuz, initrd (of $1 bytes), osrel, cmdline, pcr.key
# and other.key with their public halves. build_uki builds one.
make_uki_inputs() {
    make_kernel vmlinuz
    head -c "$1" /dev/urandom >initrd
    printf 'ID=test\n' >osrel
    printf quiet >cmdline
    make_rsa_key pcr
    make_rsa_key other
}
build_uki() { "$cloister" uki build --kernel vmlinuz --initrd initrd --cmdline quiet --os-release osrel "$@"; }
