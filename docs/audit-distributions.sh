#!/bin/sh
# audit-distributions.sh CLOISTER FOLDER: prints docs/audit-distributions.md from the kernel configurations in FOLDER.
set -eu
cloister=$1 folder=$2

findings() {
    jq -r --arg severity "$1" --arg results "$2" '.findings[] | select(.severity == $severity and (.result | inside($results)))
        | "| \(.id) | \(.found | gsub("\\|"; "\\|")) | \(.reason) |"' "$work"
}

table() {
    [ -n "$3" ] || return 0
    printf '\n%s\n\n| rule | found | why it matters |\n| --- | --- | --- |\n%s\n' "$1" "$3"
}

work=$(mktemp)
trap 'rm -f "$work"' EXIT
cat <<'EOF'
# What the audit says of distributions' kernels

Made by `docs/audit-distributions.sh`, which runs `cloister audit CONFIG --json` on each configuration. A configuration alone
cannot tell what an initrd carries or what stands on a command line: such findings are *open*, and a UKI of these kernels can
close them. So "not shown to be fit" means: build the UKI, and audit that. Findings that are optional or only informative are
left out here.
EOF
for name in azurelinux-kernel fedora-42 ubuntu-25.04 centos-10-stream; do
    "$cloister" audit "$folder/$name.config" --json >"$work" || [ $? = 1 ]
    printf '\n## %s\n\nLinux %s. ' "$name" "$(jq -r '.config.kernel_version_in_header' "$work")"
    jq -r '"As a guest: SEV-SNP \(if .config.can_guest_of.snp_guest then "yes" else "no" end), TDX \(if .config.can_guest_of.tdx_guest
        then "yes" else "no" end), reports through configfs-tsm \(if .config.can_guest_of.configfs_tsm then "yes" else "no" end).
        Required: \(.tally.required.pass) hold, \(.tally.required.fail + .tally.required.consequence) do not, \(.tally.required.unknown) are open.
        Verdict: \({yes: "fit", no: "**not fit**", unknown: "not shown to be fit"}[.fit])."' "$work" | tr -s ' \n' ' '
    echo
    table "Required, and not so:" - "$(findings required '"fail" "consequence"')"
    table "Required, and open:" - "$(findings required '"unknown"')"
    table "Recommended, and not so:" - "$(findings recommended '"fail" "consequence"')"
    table "Recommended, and open:" - "$(findings recommended '"unknown"')"
done
