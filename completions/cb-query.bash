# bash completion for cb-query; made by scripts/gen-completion, do not edit
_cb_query() {
	local cur prev split=
	if declare -F _init_completion >/dev/null; then
		# shellcheck disable=SC2034
		local words cword
		_init_completion -s || return
	else
		cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
		if [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
		if [[ $cur == = ]]; then prev=${COMP_WORDS[COMP_CWORD-1]} cur=; fi
	fi
	case $prev in
	--camera) :; return ;;
	--from) :; return ;;
	--to) :; return ;;
	--type) :; return ;;
	--format) :; return ;;
	--sandbox) :; return ;;
	esac
	[[ -z $split ]] || return
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "--camera= --from= --to= --type= --format= --no-index --quiet --verbose --sandbox= --help --usage --version" -- "$cur")
		if [[ ${COMPREPLY[*]-} == *= ]]; then compopt -o nospace; fi
		return
	fi
	local i at=1
	for (( i = 1; i < COMP_CWORD; i++ )); do
		[[ ${COMP_WORDS[i]} == -* || ${COMP_WORDS[i]} == = || ${COMP_WORDS[i-1]} == = ]] || (( ++at ))
	done
	case $at in
	1) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
	2) mapfile -t COMPREPLY < <(compgen -W "cameras segments gaps events holds keys" -- "$cur"); return ;;
	esac
	compopt -o filenames
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
} &&
complete -F _cb_query cb-query
