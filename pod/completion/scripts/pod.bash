# bash completion for pod                                  -*- shell-script -*-

__pod_complete() {
    local i word rest="${COMP_LINE:0:COMP_POINT}" words=() current prefix line directive candidates=() shown=()
    # bash takes words apart at `:` and `=`; put them together again, by what stands between them in the line.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $i -gt 0 && ( -z $rest && -z $word && ${COMP_LINE:COMP_POINT-1:1} != [[:space:]] || -n $rest && $rest != [[:space:]]* ) ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        rest=${rest#"${rest%%[![:space:]]*}"}
        rest=${rest:${#word}}
    done
    current=${words[${#words[@]} - 1]}
    COMPREPLY=()
    while IFS= read -r line; do
        candidates+=("$line")
    done < <("${words[0]}" __complete @NO_DESC@ "${words[@]:1}" 2>/dev/null)
    [[ ${#candidates[@]} -gt 0 ]] || return 0
    directive=${candidates[${#candidates[@]} - 1]}
    unset "candidates[${#candidates[@]} - 1]"
    # What bash has taken off the word must not come back.
    prefix=${current%"${current##*[=:]}"}
    [[ $COMP_WORDBREAKS == *[=:]* ]] || prefix=
    for line in "${candidates[@]}"; do
        word=${line%%$'\t'*}
        word=${word#"$prefix"}
        if [[ $COMP_TYPE == @(63|33|64) && ${#candidates[@]} -gt 1 && $line == *$'\t'* ]]; then
            shown+=("$word  (${line#*$'\t'})")
        else
            shown+=("$word")
        fi
    done
    COMPREPLY=("${shown[@]}")
    case $directive in
    :files) [[ ${#COMPREPLY[@]} -gt 0 ]] || compopt -o default ;;
    :open) compopt -o nospace ;;
    esac
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:=] ]]; then
        compopt -o nospace
    fi
}

complete -F __pod_complete pod
