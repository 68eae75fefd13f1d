# bash completion for cb-audit; made by scripts/gen-completion, do not edit
_cb_audit() {
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
	--key|-k) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--passphrase-file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--passphrase-fd) :; return ;;
	--origin) :; return ;;
	--org) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--after) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
	--epoch) :; return ;;
	--epochs) :; return ;;
	--sync) :; return ;;
	--leap) :; return ;;
	--cosignatures) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--name) :; return ;;
	--policy) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--older) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--witness) :; return ;;
	--quorum) :; return ;;
	--from) :; return ;;
	--to) :; return ;;
	--type) :; return ;;
	--camera) :; return ;;
	--format) :; return ;;
	--state) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--below) :; return ;;
	--reason) :; return ;;
	--sandbox) :; return ;;
	esac
	[[ -z $split ]] || return
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "--key= --passphrase-file= --passphrase-fd= --origin= --org= --after= --epoch= --epochs= --sync= --receipts --leap= --cosignatures= --name= --policy= --older= --witness= --quorum= --from= --to= --type= --camera= --raw --format= --state= --below= --reason= --quiet --verbose --sandbox= --help --usage --version" -- "$cur")
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
	esac
	compopt -o filenames
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
} &&
complete -F _cb_audit cb-audit
