# Completion for cloister. What it offers comes from the program's own tables of options.
function __cloister_offers
    set -l path
    for word in (commandline -opc)[2..-1]
        switch $word
            case help
                continue
            case '-*' '*[!a-z-]*' '*.*' '*/*'
                break
            case '*'
                set -a path $word
        end
    end
    set -l last (commandline -opc)[-1]
    for line in (cloister $path --help=complete 2>/dev/null)
        set -l fields (string split \t -- $line)
        if test "$fields[1]" = "$last" -a -n "$fields[2]"
            if test -n "$fields[4]"
                string split ' ' -- $fields[4]
            else
                __fish_complete_path (commandline -ct)
            end
            return
        end
    end
    cloister $path --help=complete 2>/dev/null | string replace -r '^([^\t]*)\t[^\t]*\t([^\t]*).*' '$1\t$2'
    test (count $path) = 0; or __fish_complete_path (commandline -ct)
end
complete -c cloister -f -a '(__cloister_offers)'
