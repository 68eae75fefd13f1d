# bash completion for cb-sign; made by scripts/gen-completion, do not edit
_cb_sign() {
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
	--output|-o) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--key|-k) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--namespace) :; return ;;
	--comment) :; return ;;
	--pub) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--signature) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--threshold) :; return ;;
	--recipient|-r) :; return ;;
	--recipients-file|-R) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--identity|-i) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--passphrase-file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--passphrase-fd) :; return ;;
	--format) :; return ;;
	--signer) :; return ;;
	--log) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
	--sandbox) :; return ;;
	esac
	[[ -z $split ]] || return
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "--output= --no-passphrase --encryption --key= --ssh --namespace= --comment= --add --force --pub= --signature= --threshold= --recipient= --recipients-file= --passphrase --armor --identity= --passphrase-file= --passphrase-fd= --format= --signer= --log= --quiet --verbose --sandbox= --help --usage --version" -- "$cur")
		if [[ ${COMPREPLY[*]-} == *= ]]; then compopt -o nospace; fi
		return
	fi
	local i at=1
	for (( i = 1; i < COMP_CWORD; i++ )); do
		[[ ${COMP_WORDS[i]} == -* || ${COMP_WORDS[i]} == = || ${COMP_WORDS[i-1]} == = ]] || (( ++at ))
	done
	case $at in
	1) mapfile -t COMPREPLY < <(compgen -W "keygen sign verify encrypt decrypt inspect retire" -- "$cur"); return ;;
	esac
	compopt -o filenames
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
} &&
complete -F _cb_sign cb-sign
