# bash completion for cb-alert; made by scripts/gen-completion, do not edit
_cb_alert() {
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
	--config|-c) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--log) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
	--state) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
	--drain) :; return ;;
	--metrics) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--sink) :; return ;;
	--id) :; return ;;
	--sandbox) :; return ;;
	esac
	[[ -z $split ]] || return
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "--config= --check --pass --tee --log= --state= --live --drain= --metrics= --sink= --id= --quiet --verbose --sandbox= --help --usage --version" -- "$cur")
		if [[ ${COMPREPLY[*]-} == *= ]]; then compopt -o nospace; fi
		return
	fi
	local i at=1
	for (( i = 1; i < COMP_CWORD; i++ )); do
		[[ ${COMP_WORDS[i]} == -* || ${COMP_WORDS[i]} == = || ${COMP_WORDS[i-1]} == = ]] || (( ++at ))
	done
	case $at in
	1) return ;;
	2) return ;;
	3) return ;;
	4) return ;;
	5) return ;;
	6) return ;;
	7) return ;;
	8) return ;;
	9) return ;;
	10) return ;;
	11) return ;;
	12) return ;;
	esac
	compopt -o filenames
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
} &&
complete -F _cb_alert cb-alert
