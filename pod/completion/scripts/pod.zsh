#compdef pod

_pod() {
    local -a lines described
    local line directive name
    lines=("${(@f)$(${words[1]} __complete @NO_DESC@ "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    (( ${#lines} )) || return 1
    directive=${lines[-1]}
    lines[-1]=()
    for line in "${lines[@]}"; do
        name=${line%%$'\t'*}
        if [[ $line == *$'\t'* ]]; then
            described+=("${name//:/\\:}:${line#*$'\t'}")
        else
            described+=("${name//:/\\:}")
        fi
    done
    if (( ${#described} )); then
        if [[ $directive == :open ]]; then
            _describe -V 'pod' described -S ''
        else
            _describe -V 'pod' described
        fi
    fi
    [[ $directive != :files ]] || _files
}

if [[ ${funcstack[1]} == _pod ]]; then
    _pod "$@"
else
    compdef _pod pod
fi
