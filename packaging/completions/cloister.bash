# Completion for cloister: what it offers comes from the program's own tables.
_cloister() {
    local word=${COMP_WORDS[COMP_CWORD]} path=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -*) break ;;
        *[!a-z-]*) break ;;
        *) path+=("${COMP_WORDS[i]}") ;;
        esac
    done
    local choices
    choices=$(cloister "${path[@]}" --help=options 2>/dev/null)
    while IFS= read -r i; do COMPREPLY+=("$i"); done < <(compgen -W "$choices" -- "$word"; compgen -f -- "$word")
}
complete -o filenames -F _cloister cloister
