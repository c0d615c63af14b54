# shellcheck shell=bash
# pages_lib.sh: the commands that stand on a page, and the page as a script.

# commands_of PAGE: its indented code, with lines that end in a backslash joined, and without prompts.
commands_of() {
    awk '/^```/ { fenced = !fenced; next } fenced { next }
        /^    / && (before ~ /^$/ || in_code) { in_code = 1; print substr($0, 5) } !/^    / { in_code = 0 } { before = $0 }' "$1" |
        sed -e ':a' -e '/\\$/N; s/ *\\\n */ /; ta' -e 's/^\$ //'
}

# script_of PAGE: a script in which each command succeeds, or is refused where the page says so ("# refused", "# not fit"); else it ends with 99 and
# says the line.
script_of() {
    local line
    # shellcheck disable=SC2016 # for the page's own shell
    printf '%s\n' 'set -u' 'trap "kill \$(jobs -p) 2>/dev/null" EXIT' \
        'wrong() { [ "$1" = 0 ] || { echo "line: $2"; exit 99; }; }' \
        'refused() { [ "$1" = 1 ] || { echo "not refused ($1): $2"; exit 99; }; }'
    commands_of "$1" | while IFS= read -r line; do
        [ -n "$line" ] || continue
        printf '%s\n' "$line"
        case $line in
        *'# refused'* | *'# not fit'*) printf 'refused $? %q\n' "$line" ;;
        *'&') ;;
        *) printf 'wrong $? %q\n' "$line" ;;
        esac
    done
}
