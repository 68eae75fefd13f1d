#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-model quantize: a model in 8 bits from pictures, the same bytes again; what it finds is what
# the float model finds; refusals. (How well the arithmetic does is for the tests of lib/nn and
# tests/accuracy.)
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq tar
grep -qw avx512_vnni /proc/cpuinfo || skip_all 'this processor has no VNNI'

/usr/bin/python3 "$CB_SRC/tests/smallnet.py"
ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=192x144:rate=5:duration=8 -c:v libx264 -g 10 -pix_fmt yuv420p clip.mkv
cb-ingest --camera=c --start-time=2026-01-01 clip.mkv >c.cbf

exits 0 cb-model quantize m.cfg --calibrate c.cbf --every 4 -o m8.cbm
cp out said.nd
ok 'each convolution and the whole' 'jq -se "length == 2 and .[0].layer == 0 and (.[0].int8|type) == \"boolean\" and
	.[1].pictures == 10 and .[1].int8 + .[1].float == 1 and .[1].error < 0.1" said.nd >/dev/null'
ok 'model.json' 'tar xOf m8.cbm model.json | jq -e --arg w "$(sha256sum <m.weights | cut -c1-64)" ".kind == \"int8\" and
	.isa == \"avx512_core_vnni\" and .names == 1 and .source.weights_sha256 == \$w and .calibration.pictures == 10" >/dev/null'
ok 'members' '[ "$(tar tf m8.cbm | tr "\n" " ")" = "model.json model.cfg model.names model.int8 " ]'
exits 0 cb-model check m8.cbm
exits 0 cb-model info m8.cbm
ok 'info says so' 'jq -se ".[-1].kind == \"int8\" and .[-1].made_for == \"avx512_core_vnni\" and (.[0].code|test(\"vnni|int8\"))" out >/dev/null'
exits 0 cb-model bench --pictures 2 --threads 1 m8.cbm

exits 0 sh -c 'cb-model quantize m.cfg --calibrate - --every 4 -o again.cbm <c.cbf'
same_file m8.cbm again.cbm 'the same bytes again, from standard input'
exits 0 cb-model convert m.cfg -o m.cbm
exits 0 cb-model quantize m.cbm --calibrate c.cbf --every 4 -o again.cbm --force
same_file m8.cbm again.cbm 'and from the model in one file'
exits 0 cb-model quantize m.cfg --calibrate c.cbf --pictures 3 -o three.cbm
ok 'three pictures' 'jq -se ".[1].pictures == 3" out >/dev/null'
for method in noise percentile entropy; do
	exits 0 cb-model quantize m.cfg --calibrate c.cbf --pictures 5 --method "$method" -o "$method.cbm"
done
exits 0 cb-model quantize m.cfg --calibrate c.cbf --pictures 2 --resize letterbox --format table -o box.cbm
ok 'a table' 'grep -q "^LAYER INT8" out && grep -q "^pictures *2$" out'
exits 65 cb-model quantize m.cfg --calibrate c.cbf --pictures 2 --keep-float 0 -o kept.cbm
ok 'nothing is left to be in 8 bits' '[ ! -e kept.cbm ]'
exits 64 cb-model quantize m.cfg --calibrate c.cbf --loss 0 -o kept.cbm

# what it finds
exits 0 sh -c 'cb-detect -m m.cfg --every 5 --threshold 0.3 <c.cbf >float.nd'
exits 0 sh -c 'cb-detect -m m8.cbm --every 5 --threshold 0.3 <c.cbf >int8.nd'
ok 'about the same boxes with about the same scores' 'jq -se --slurpfile f float.nd "
	[.[]|select(.type==\"cb.detection\").data.objects] as \$b | [\$f[]|select(.type==\"cb.detection\").data.objects] as \$a |
	(\$a|length) == (\$b|length) and (\$a|length) > 3 and
	([range(\$a|length)|select(((\$a[.]|length) - (\$b[.]|length))|fabs > 1)]|length) == 0 and
	([range(\$a|length)|select((\$a[.]|length) > 0 and (\$b[.]|length) > 0)|((\$a[.][0].score - \$b[.][0].score)|fabs)]|max) < 0.1" int8.nd >/dev/null'
exits 0 sh -c 'cb-detect -m m8.cbm --every 5 --threshold 0.3 <c.cbf >again.nd'
same_file int8.nd again.nd 'the same bytes from the same model'
exits 0 sh -c 'cb-detect -m m8.cbm --isa avx2 --every 5 --threshold 0.3 <c.cbf >avx2.nd'
ok 'without VNNI it runs all the same' '[ "$(wc -l <avx2.nd)" -eq "$(wc -l <int8.nd)" ]'

# --- refusals ---
exits 65 cb-model quantize m8.cbm --calibrate c.cbf -o x.cbm
ok 'one in 8 bits already' 'grep -q "already" err'
exits 65 cb-model convert m8.cbm -o x.cfg
ok 'darknet has no 8 bits' 'grep -q "no weights of 8 bits" err && [ ! -e x.cfg ] && [ ! -e x.weights ]'
exits 73 cb-model quantize m.cfg --calibrate c.cbf --pictures 1 -o m8.cbm
same_file m8.cbm again.cbm 'what was there stays'
head -c 3000 c.cbf >short.cbf
exits 65 cb-model quantize m.cfg --calibrate short.cbf -o x.cbm
exits 65 cb-model quantize m.cfg --calibrate m.weights -o x.cbm
exits 66 cb-model quantize m.cfg --calibrate nowhere -o x.cbm
exits 64 cb-model quantize m.cfg -o x.cbm
exits 64 cb-model quantize m.cfg --calibrate c.cbf
exits 64 cb-model quantize m.cfg --calibrate c.cbf -o x.cfg
exits 64 cb-model quantize m.cfg --calibrate c.cbf -o x.cbm --method magic
exits 64 cb-model info m.cfg --every 2
mkstream IPPe >none.cbf 2>/dev/null || PATH=$CB_BUILD/aid:$PATH mkstream IPPe >none.cbf
exits 65 cb-model quantize m.cfg --calibrate none.cbf -o x.cbm
ok 'a stream without pictures' '[ -s err ] && [ ! -e x.cbm ]'
done_testing
