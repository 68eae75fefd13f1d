# bash completion for cb-detect; made by scripts/gen-completion, do not edit
_cb_detect() {
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
	--model|-m) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--weights) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--names) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--threshold) :; return ;;
	--nms) :; return ;;
	--classes) :; return ;;
	--resize) :; return ;;
	--threads) :; return ;;
	--isa) :; return ;;
	--backend) :; return ;;
	--models) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--key) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--gate) :; return ;;
	--every) :; return ;;
	--fps) :; return ;;
	--region) :; return ;;
	--stream) :; return ;;
	--frozen) :; return ;;
	--log) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
	--sandbox) :; return ;;
	esac
	[[ -z $split ]] || return
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "--model= --no-objects --weights= --names= --threshold= --nms= --classes= --resize= --threads= --isa= --backend= --require-signed --models= --key= --gate= --every= --fps= --keyframes --region= --stream= --no-health --frozen= --log= --tee --quiet --verbose --sandbox= --help --usage --version" -- "$cur")
		if [[ ${COMPREPLY[*]-} == *= ]]; then compopt -o nospace; fi
		return
	fi
	local i at=1
	for (( i = 1; i < COMP_CWORD; i++ )); do
		[[ ${COMP_WORDS[i]} == -* || ${COMP_WORDS[i]} == = || ${COMP_WORDS[i-1]} == = ]] || (( ++at ))
	done
	case $at in
	esac
	compopt -o filenames
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
} &&
complete -F _cb_detect cb-detect
