# shellcheck shell=sh disable=SC2034,SC2154
# interop_lib.sh: what the interop tests share: formats that others read, judged by their tools and not by our own
# reading. A tool that is missing is a failure, never a skip: packaging/setup installs all of them.

# need TOOL…: each of them, by name or path. Its version goes to the page of formats (docs/interop.md).
need() {
    for tool; do
        command -v "$tool" >/dev/null && continue
        echo "FAIL: $tool is not here; packaging/setup installs it"
        exit 1
    done
}

# held FORMAT TOOL VERSION HOW: prints a line of docs/interop.md's table. HOW: "reads ours", "ours reads its", "equal".
held() { [ "$failed" != 0 ] || printf 'interop\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4"; }

# start_tpm: a software TPM for this test, with PCRs of zeros. $tpm is how systemd and tpm2-tools call it.
start_tpm() {
    need swtpm tpm2_pcrread
    begin_tpm "$work/tpm" "$work/tpm.sock"
    trap 'kill "$tpm_pid" 2>/dev/null; rm -rf "$work"' EXIT
    tpm=swtpm:path=$work/tpm.sock
    export TPM2TOOLS_TCTI="$tpm"
}

# flush: drops what failed attempts left in the TPM: it holds three sessions.
flush() { for kind in -t -l -s; do tpm2_flushcontext -Q $kind; done; }

# pcr BANK NUMBER: its value in hex.
pcr() {
    tpm2_pcrread -Q "$1:$2" -o "$work/pcr.bin" && od -An -tx1 -v "$work/pcr.bin" | tr -d ' \n'
}

# sections UKI NAME…: what the stub extends PCR 11 with for these sections, one digest a line.
sections() {
    image=$1
    shift
    for name; do
        "$cloister" uki inspect "$image" --extract "$name:$work/section" >/dev/null || return
        printf '%s\000' "$name" | openssl dgst -sha256 -r | cut -d ' ' -f 1
        openssl dgst -sha256 -r "$work/section" | cut -d ' ' -f 1
    done
}

systemd_version() { /usr/lib/systemd/systemd-measure --version | sed -n 's/^systemd \([0-9]*\).*/\1/p'; }
package_version() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || rpm -q --qf '%{VERSION}' "$1" 2>/dev/null || echo "?"; }

# python_tools: puts $tools/bin in front of PATH. What is not in the distribution has to be fetched first (./check does).
python_tools() {
    tools=${LAB_CACHE:-$CLOISTER_TESTS/../build/lab/cache}/python-tools
    [ -e "$tools/done" ] || skip "$1 is not in this release, and was not fetched: . sim/lab.sh && lab_fetch_python_tools"
    PATH=$(absolute "$tools/bin"):$PATH
}
python_version() { python3 -c 'import sys, importlib.metadata; print(importlib.metadata.version(sys.argv[1]))' "$1"; }
