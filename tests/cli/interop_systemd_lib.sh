# What the tests with systemd's TPM tokens share: a software TPM of a machine that booted, systemd's programs of this release and of a newer one, a volume, and
# who opens it.
# shellcheck shell=bash disable=SC2034,SC2154
need openssl jq python3 cryptsetup systemd-cryptenroll tpm2_pcrextend tpm2_readpublic tpm2_flushcontext tpm2_createprimary tpm2_evictcontrol
newer=${LAB_CACHE:-$CLOISTER_TESTS/../build/lab/cache}/systemd-forky
[ -e "$newer/complete" ] || skip "a newer systemd was not fetched: . sim/lab.sh && lab_fetch_new_systemd"
newer=$(absolute "$newer")
systemd=$(systemd_version)

# A software TPM on a unix socket, which both tpm2-tss and we speak to, one after the other.
start_tpm

# Registers of a machine that booted: each extended once.
for number in 0 2 4 7 11; do tpm2_pcrextend "$number:sha256=$(printf '%064d' "$number")" || fail "extend"; done
extend() { tpm2_pcrextend "$1:sha256=$(printf '%064d' 99)"; }

# The newer release's programs, with its own libraries.
with_newer() {
    program=$1
    shift
    lib=$newer/usr/lib/x86_64-linux-gnu
    SYSTEMD_CRYPTSETUP_USE_TOKEN_MODULE=0 "$lib/ld-linux-x86-64.so.2" --library-path "$lib:$lib/systemd:$newer/usr/lib/systemd" \
        "$newer/usr/bin/$program" "$@"
}
newest=$(with_newer systemd-cryptenroll --version | sed -n 's/^systemd \([0-9]*\).*/\1/p')
[ "${newest:-0}" -ge 257 ] || fail "the newer systemd does not start"

# volume: a new one, under key.
head -c 64 /dev/urandom >key
volume() {
    rm -f volume
    truncate -s 20M volume
    cryptsetup luksFormat -q --sector-size 4096 --key-size 512 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 volume key || fail "luksFormat"
}
enroll() {
    flush
    systemd-cryptenroll --unlock-key-file=key --tpm2-device="$tpm" "$@" volume >enroll.log 2>&1 || fail "$systemd: cryptenroll $*: $(tail -n 1 enroll.log)"
}
enroll_newer() {
    flush
    with_newer systemd-cryptenroll --unlock-key-file=key --tpm2-device="$tpm" "$@" volume >enroll.log 2>&1 || fail "$newest: cryptenroll $*: $(tail -n 1 enroll.log)"
}
# shellcheck disable=SC2317 # expect calls it
ours() { flush && "$cloister" unlock volume --by-tpm --tpm "swtpm:$work/tpm.sock" --test "$@"; }
seal() { flush && "$cloister" seal volume --key key --tpm "swtpm:$work/tpm.sock" "$@"; }

# What libcryptsetup's token plug-in of this release makes of it, and what the newer systemd-cryptenroll does: it has to open the
# volume before it adds a key slot.
cat >by_token.py <<'PY'
import ctypes, sys
class Parameters(ctypes.Structure):
    _fields_ = [("mask", ctypes.c_uint32), ("device", ctypes.c_char_p), ("signature", ctypes.c_char_p)]
lib = ctypes.CDLL("libcryptsetup.so.12")
device = ctypes.c_void_p()
if lib.crypt_init(ctypes.byref(device), sys.argv[1].encode()) != 0 or lib.crypt_load(device, b"LUKS2", None) != 0:
    sys.exit(4)
signature = sys.argv[3].encode() if len(sys.argv) > 3 else None
parameters = Parameters(0xffffffff, sys.argv[2].encode(), signature)
slot = lib.crypt_activate_by_token_pin(device, None, b"systemd-tpm2", -1, None, ctypes.c_size_t(0), ctypes.byref(parameters), 0)
sys.exit(0 if slot >= 0 else 1)
PY
theirs() { flush && python3 by_token.py volume "$tpm" "$@" >theirs.log 2>&1; }
theirs_newer() { flush && cp volume tried && with_newer systemd-cryptenroll --unlock-tpm2-device="$tpm" --recovery-key tried >theirs.log 2>&1; }
