# Bash splits words at the colons of task ids: they are put together, and what stands before the colon is kept.
_ivan_complete() {
    local -a words=()
    local word i index=-1 joins=0
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word="${COMP_WORDS[i]}"
        if ((i > 0)) && { [[ "$word" == :* ]] || ((joins)); }; then
            words[index]+="$word"
        else
            words[++index]="$word"
        fi
        if [[ "$word" == *: ]]; then joins=1; else joins=0; fi
    done
    local -a COMP_WORDS=("${words[@]}")
    local COMP_CWORD="$index" current="${words[index]}"
    _clap_complete_ivan "$1" "$current" "$3"
    if [[ "$current" == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*:}"}"}")
    fi
}
if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -o nospace -o bashdefault -o nosort -F _ivan_complete ivan
else
    complete -o nospace -o bashdefault -F _ivan_complete ivan
fi
