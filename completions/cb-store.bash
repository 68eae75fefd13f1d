# bash completion for cb-store; made by scripts/gen-completion, do not edit
_cb_store() {
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
	--log) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
	--identity|-i) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--passphrase-file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--passphrase-fd) :; return ;;
	--holder) :; return ;;
	--from) :; return ;;
	--to) :; return ;;
	--reason) :; return ;;
	--day) :; return ;;
	--id) :; return ;;
	--older) :; return ;;
	--keep-around) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--pre) :; return ;;
	--post) :; return ;;
	--events-older) :; return ;;
	--bytes) :; return ;;
	--free) :; return ;;
	--keep) :; return ;;
	--sandbox) :; return ;;
	esac
	[[ -z $split ]] || return
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "--tee --camera= --log= --identity= --passphrase-file= --passphrase-fd= --holder= --from= --to= --reason= --day= --id= --older= --keep-around= --pre= --post= --events-older= --bytes= --free= --keep= --dry-run --force --quiet --verbose --sandbox= --help --usage --version" -- "$cur")
		if [[ ${COMPREPLY[*]-} == *= ]]; then compopt -o nospace; fi
		return
	fi
	local i at=1
	for (( i = 1; i < COMP_CWORD; i++ )); do
		[[ ${COMP_WORDS[i]} == -* || ${COMP_WORDS[i]} == = || ${COMP_WORDS[i-1]} == = ]] || (( ++at ))
	done
	case $at in
	1) mapfile -t COMPREPLY < <(compgen -W "put check reindex hold release prune forget-key" -- "$cur"); return ;;
	esac
	compopt -o filenames
	mapfile -t COMPREPLY < <(compgen -d -- "$cur")
} &&
complete -F _cb_store cb-store
