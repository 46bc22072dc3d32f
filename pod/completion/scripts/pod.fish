# fish completion for pod

function __pod_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines ($words[1] __complete @NO_DESC@ $words[2..-1] "$current" 2>/dev/null)
    set -l count (count $lines)
    test $count -gt 0; or return
    if test $count -gt 1
        printf '%s\n' $lines[1..(math $count - 1)]
    end
    if test "$lines[$count]" = :files
        __fish_complete_path "$current"
    end
end

complete -c pod -f -a '(__pod_complete)'
