# Completion for cloister. What it offers comes from the program's own tables of options: a line for each word, with tabs between the
# word, what it takes, what it is for, and the values that it may have.
_cloister() {
    local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD - 1]} path=() i name takes values choices=''
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        help) ;;
        -* | *[!a-z-]*) break ;;
        *) path+=("${COMP_WORDS[i]}") ;;
        esac
    done
    while IFS= read -r i; do
        # Tabs are white space to `read`: two of them would be one.
        IFS='|' read -r name takes _ values <<<"${i//$'\t'/|}"
        if [ "$name" = "$last" ] && [ -n "$takes" ]; then
            # A value: one of few words, or else a file.
            while IFS= read -r i; do COMPREPLY+=("$i"); done < <(
                if [ -n "$values" ]; then compgen -W "$values" -- "$word"; else compgen -f -- "$word"; fi
            )
            return
        fi
        choices+=" $name"
    done < <(cloister "${path[@]}" --help=complete 2>/dev/null | tr '|' '/')
    while IFS= read -r i; do COMPREPLY+=("$i"); done < <(
        compgen -W "$choices" -- "$word"
        [ "${word:0:1}" = - ] || [ "${#path[@]}" = 0 ] || compgen -f -- "$word"
    )
}
complete -o filenames -F _cloister cloister
