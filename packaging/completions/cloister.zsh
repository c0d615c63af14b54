#compdef cloister
# Completion for cloister. What it offers comes from the program's own tables of options.
local -a path_words choices fields values
local line last=${words[CURRENT-1]} word i
for ((i = 2; i < CURRENT; i++)); do
    case ${words[i]} in
    help) ;;
    -* | *[^a-z-]*) break ;;
    *) path_words+=(${words[i]}) ;;
    esac
done
for line in ${(f)"$(cloister $path_words --help=complete 2>/dev/null)"}; do
    fields=("${(@ps:\t:)line}")
    if [[ ${fields[1]} == $last && -n ${fields[2]} ]]; then
        values=(${=fields[4]})
        if (($#values)); then compadd -a values; else _files; fi
        return
    fi
    choices+=("${fields[1]//:/\\:}:${fields[3]}")
done
_describe -t commands cloister choices
(($#path_words)) && [[ ${words[CURRENT]} != -* ]] && _files
