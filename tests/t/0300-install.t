#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make install puts everything under DESTDIR where it belongs, what is installed works from there,
# and make uninstall leaves no file.
. "$CB_SRC/tests/lib.sh"
need_cmd make
! grep -q -e '-fsanitize=' "$CB_BUILD/flags" || skip_all "a sanitizer build is not what is installed"
unset MAKEFLAGS MFLAGS MAKELEVEL
PATH=$CB_BUILD/aid:$PATH
inst() { make -s -C "$CB_SRC" O="$CB_BUILD" DESTDIR="$T/root" "$@"; }

exits 0 inst install
find root -type f | sort >files
p=root/usr/local
n=0
for c in "$CB_SRC"/cmd/cb-*.c; do
	t=${c##*/}
	t=${t%.c}
	n=$((n + 1))
	ok "$t: program, page and completions" '[ -x $p/bin/$t ] && [ -s $p/share/man/man1/$t.1 ] &&
		[ -s $p/share/bash-completion/completions/$t ] && [ -s $p/share/zsh/site-functions/_$t ] &&
		[ -s $p/share/fish/vendor_completions.d/$t.fish ]'
	ok "$t: runs from there" '[ "$("$T/$p/bin/$t" --version)" = "$("$t" --version)" ]'
done
ok "tools there are" '[ "$n" -gt 0 ]'
ok "pages of formats and suite" '[ -s $p/share/man/man5/cb-frame.5 ] && [ -s $p/share/man/man7/cb.7 ]'
ok "schema and bill of materials" '[ -s $p/share/cb/cb-event.schema.json ] && [ -s $p/share/cb/cb.cdx.json ]'
for t in "$CB_BUILD"/bin/cb-* "$CB_BUILD"/libexec/cb/cb-*; do
	n=${t##*/}
	[ -e "$t" ] || continue
	i=$p${t#"$CB_BUILD"}
	ok "$n: bill of materials has its hash" 'jq -e --arg n "$n" --arg h "$(sha512sum <"$i" | cut -d" " -f1)" \
		".components[] | select(.name == \$n) | .hashes[0].content == \$h" $p/share/cb/cb.cdx.json >out 2>&1'
done
if [ -e "$CB_BUILD/libexec/cb/cb-darknet" ]; then
	ok "the helper, where cb-detect looks for it" '[ -x $p/libexec/cb/cb-darknet ] &&
		cmp $p/libexec/cb/cb-darknet "$CB_BUILD/libexec/cb/cb-darknet"'
	/usr/bin/python3 "$CB_SRC/tests/smallnet.py"
	mkstream IPE >small.cbf
	exits 0 sh -c "$p/bin/cb-detect -m m.cfg --backend darknet <small.cbf"
	ok "cb-detect alone, elsewhere" \
		'mkdir -p alone/bin && cp $p/bin/cb-detect alone/bin'
	exits 69 sh -c "alone/bin/cb-detect -m m.cfg --backend darknet <small.cbf"
else
	skip "built without darknet" 4
fi
exits 1 "$T/$p/bin/cb-model" check --require-signed "$CB_SRC/tests/fuzz/corpus/nn_pack/float.cbm"
ok "the list of models is found from there" 'grep -q "$p/share/cb/models/SHA256SUMS" err'
for m in "$CB_SRC"/models/cb-*.cfg; do
	m=${m##*/}
	m=${m%.cfg}
	exits 0 "$T/$p/bin/cb-model" check "$m"
	for s in cfg weights names md svg; do same_file "$CB_SRC/models/$m.$s" "$p/share/cb/models/$m.$s"; done
done
for f in SHA256SUMS SHA256SUMS.minisig SHA256SUMS.pub; do same_file "$CB_SRC/models/$f" "$p/share/cb/models/$f"; done
[ -e small.cbf ] || mkstream IPE >small.cbf
exits 0 sh -c "$T/$p/bin/cb-detect <small.cbf"
ok "the default model is there" 'grep -q "\"model\":\"cb-objects.cfg\"" out'
ok "nothing is writable by others" '[ -z "$(find root -perm /022 -type f)" ]'
ok "no path of the build in what is installed" '! grep -rlF "$CB_BUILD" root'

exits 0 inst uninstall
ok "nothing is left, no directory either" '[ -z "$(find root -mindepth 1)" ]' || find root | sed 's/^/#   /'
exits 0 inst uninstall
ok "a second time is no error" '[ ! -s err ]'
exits 0 inst PREFIX=/opt/cb install
ok "PREFIX is obeyed" '[ -x root/opt/cb/bin/cb-frame ] && [ ! -e root/usr/local/bin/cb-frame ]'
mkdir -p root/opt/cb/share/man/man1
: >root/opt/cb/share/man/man1/other.1
exits 0 inst PREFIX=/opt/cb uninstall
ok "somebody else's file stays, alone" '[ "$(find root ! -type d)" = root/opt/cb/share/man/man1/other.1 ] && [ ! -e root/opt/cb/bin ]'
# without DESTDIR only our own directory goes: the others may be the system's
exits 0 inst DESTDIR= PREFIX="$T/here" install
exits 0 inst DESTDIR= PREFIX="$T/here" uninstall
ok "no file is left there" '[ -z "$(find here ! -type d)" ] && [ -d here/bin ] && [ ! -e here/share/cb ] && [ ! -e here/libexec/cb ]'
done_testing
