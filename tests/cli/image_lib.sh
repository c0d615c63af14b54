# shellcheck shell=sh disable=SC2034
# image_lib.sh: small stand-ins for what an image is made of. Sourced behind lib.sh.

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
    printf 'kernel/dm-mod.ko\nkernel/dm-crypt.ko\nkernel/xts.ko\n' >"$modules/modules.builtin"
    depmod=$(command -v depmod || PATH=$PATH:/sbin:/usr/sbin command -v depmod) || skip "depmod is not installed"
    "$depmod" -b "$1" 6.12.0-test 2>/dev/null || skip "depmod does not work here"
}
