#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Whole pipelines from a clip to recordings, detections, alerts, pictures and films; and what
# becomes of them when somebody in the middle dies, leaves early, is slow or stands still.
# shellcheck disable=SC2034  # expressions of ok use variables
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg ffprobe jq

# six seconds of a moving pattern with a cut to black in it, B-frames, sound beside it
ffmpeg -v error -f lavfi -i "testsrc2=s=320x240:r=10:d=6,drawbox=enable='gte(t,4)':t=fill:c=black" \
	-f lavfi -i sine=r=16000:d=6 -c:v libx264 -g 10 -bf 2 -pix_fmt yuv420p -c:a aac clip.mp4
cat >ingest <<'S'
#!/bin/sh
exec cb-ingest clip.mp4 --camera front --start-time 2026-11-21T07:00:00Z "$@"
S
chmod +x ingest
PATH=$PATH:$T
# run in bash; the exit statuses of the pipeline, in order, in ./status
pipe() { bash -c "$1; echo \${PIPESTATUS[*]} >status" 2>err; }

# --- the main job ------------------------------------------------------------------------------
pipe 'ingest | cb-record store --segment 2s --tee | cb-detect | cb-store put store >events.ndjson'
ok "everybody leaves with 0" '[ "$(cat status)" = "0 0 0 0" ]'
ok "and nobody says anything" '[ ! -s err ]'
valid_events events.ndjson
ok "a line for each of 60 pictures" '[ "$(grep -c "\"type\":\"cb.detection\"" events.ndjson)" -eq 60 ]'
ok "each once" '[ "$(jq -r .id events.ndjson | sort | uniq -d | wc -l)" -eq 0 ]'
ok "three segments of two seconds" '[ "$(grep -c "\"type\":\"cb.segment.closed\"" events.ndjson)" -eq 3 ]'
ok "motion, and the cut" 'grep -q cb.motion.start events.ndjson && grep -q cb.scene.change events.ndjson'
exits 0 cb-store check store
exits 0 cb-query store events --format ndjson
jq -r .id out | sort -u >stored
jq -r .id events.ndjson | sort >passed
same_file passed stored "what was passed on is what the store has"
ingest 2>/dev/null | cb-frame hash >h1
cb-replay store --camera front | cb-frame hash >h2
same_file h1 h2 "the store gives back what came in"
pipe 'ingest | cb-detect --no-objects --tee | cb-record store2 --tee | cb-frame hash >h3'
same_file h1 h3 "and every tee passes what came in"
cb-replay store2 --camera front | cb-frame hash >h4
same_file h1 h4 "recorded behind the detector it is the same"

# the same analysis again gives the same lines
pipe 'ingest | cb-detect >d1; cb-replay store | cb-detect >d2'
same_file d1 d2 "analysing the recording gives the very lines that the clip gave"
pipe 'cat d1 | cb-store put store >/dev/null'
exits 0 cb-query store events --format ndjson
jq -r .id out | sort -u >again
same_file again stored "put again, it adds no event that was not there"

# out again, stream by stream, bit by bit
if command -v cb-mux >/dev/null; then
	for f in matroska mp4 mov; do
		pipe "cb-replay store | cb-mux --format $f >back.$f"
		ffmpeg -v error -i clip.mp4 -map 0 -c copy -f streamhash - >want
		ffmpeg -v error -i back.$f -map 0 -c copy -f streamhash - >got
		same_file want got "$f holds the source's streams"
	done
fi

# --- the examples ------------------------------------------------------------------------------
exits 0 "$CB_SRC/examples/watch.sh" clip.mp4 example
cp out alerts.ndjson
valid_events alerts.ndjson
exits 0 "$CB_SRC/examples/same.sh" clip.mp4 example front
ok "says same" '[ "$(cat out)" = same ]'
exits 0 "$CB_SRC/examples/moment.sh" example front moment.jpg
ok "a picture" '[ "$(ffprobe -v error -show_entries stream=width,height -of csv=p=0 moment.jpg)" = 320,240 ]'
exits 0 "$CB_SRC/examples/classes.sh" example
exits 0 "$CB_SRC/examples/zones.sh" example front "$CB_SRC/examples/zones.yml" zones
ok "zones on a picture" 'grep -q "class=\"zone\"" zones.svg && grep -q "image/jpeg" zones.svg'
if command -v cb-mux >/dev/null; then
	exits 0 "$CB_SRC/examples/drawn.sh" example front drawn.mkv
	exits 0 ffprobe -v warning -count_frames -show_entries stream=codec_name,nb_read_frames -of csv=p=0 drawn.mkv
	ok "60 pictures with boxes, and the sound" 'grep -q "^h264,60" out && grep -q ^aac out && [ ! -s err ]'
fi
if command -v minisign >/dev/null && command -v openssl >/dev/null && command -v ssh-keygen >/dev/null; then
	exits 0 "$CB_SRC/examples/evidence.sh" clip.mp4 evidence
	ok "a clip is proved by tools that are not ours" 'grep -q "in the log: good" out && grep -q "footage: good" out'
else
	skip "minisign, openssl or ssh-keygen is not installed" 2
fi
for e in "$CB_SRC"/examples/*.sh; do
	exits 64 "$e"
	ok "${e##*/} says how to call it" 'head -n 1 err | grep -q "^${e##*/} [A-Z]*.*: " && [ ! -s out ]'
	_st=0
	"$e" no-such-clip no-such-store no-such-camera >out 2>err || _st=$?
	ok "${e##*/}: what is not there is a failure ($_st)" '[ "$_st" -ge 1 ] && [ -s err ] && ! grep -q same out'
done
ffmpeg -v error -i clip.mp4 -t 2 -c copy other.mp4
exits 1 "$CB_SRC/examples/same.sh" other.mp4 store2 front
ok "and shows the difference" 'grep -q "^[<>]" out && ! grep -q same out'
for r in "$CB_SRC"/examples/*.yml; do
	case $r in
	*/cameras.yml) continue ;;	# 9030-cameras.t
	*/zones.yml) exits 0 cb-track --check -c "$r" ;;
	*) exits 0 cb-alert --check -c "$r" ;;
	esac
done

# --- a death in the middle -------------------------------------------------------------------
# the source stops half-way with its mouth open, and the detector is killed
ingest >whole.cbf
half=$(($(wc -c <whole.cbf) / 2))
mkfifo a b
sleep 100 >a &
holder=$!
head -c "$half" whole.cbf >a &
cb-detect --no-objects --tee <a >b 2>/dev/null &
detector=$!
cb-record died --tee <b >rest.cbf 2>err &
recorder=$!
ok "packets get through" 'wait_for "[ -s rest.cbf ]"'
kill -9 "$detector"
_st=0
wait "$recorder" || _st=$?
kill "$holder"
ok "the recorder says that its producer died" '[ "$_st" -eq 65 ] && grep -q "^cb-record: .*no END\|^cb-record: .*truncated" err'
exits 0 cb-store check died
ok "the recording is sealed" '! find died -name "*.part" | grep -q .'
exits 65 cb-frame check rest.cbf
ok "no END behind it either" '! cb-frame dump rest.cbf 2>/dev/null | grep -q " END "'
cb-frame dump rest.cbf 2>/dev/null | grep -c " PACKET " >n1
cb-replay died --camera front | cb-frame dump - 2>/dev/null | grep -c " PACKET " >n2
same_file n1 n2 "what was passed on is what is recorded"

# killed outright, the recorder leaves a store that the next one repairs
mkfifo c
sleep 100 >c &
holder=$!
cat whole.cbf >c &
cb-record --sync-interval 0 killed <c >/dev/null 2>&1 &
recorder=$!
ok "fragments are on the disk" 'wait_for "[ \$(cat killed/cameras/front/*/*.manifest* 2>/dev/null | wc -l) -gt 4 ]"'
kill -9 "$recorder" "$holder"
wait
ingest | cb-record killed >again.ndjson 2>err
ok "the next recorder recovers it" 'grep -q "\"type\":\"cb.recording.recovered\"" again.ndjson'
valid_events again.ndjson
exits 0 cb-store check killed

# --- somebody leaves early, somebody is slow ----------------------------------------------------
pipe 'ingest | head -c 1000 >/dev/null'
ok "a reader that leaves ends cb-ingest" '[ "$(cut -d" " -f2 status)" -eq 0 ]'
pipe 'cat whole.cbf | cb-record left --tee | head -c 1000 >/dev/null'
ok "but not cb-record" '[ "$(cut -d" " -f2 status)" -eq 0 ]'
cb-replay left | cb-frame hash >h5
same_file h1 h5 "which records to the end"
pipe 'cat whole.cbf | cb-record slow --tee | { sleep 1; cat >slow.cbf; }'
cb-frame hash slow.cbf >h6
same_file h1 h6 "a slow reader of a file gets everything"

# live: a reader that stands still costs nobody anything but itself
/usr/bin/python3 "$CB_SRC/tests/cbframe.py" dump whole.cbf >/dev/null || note "python reader failed"
pipe 'ingest --realtime --duration 2s | cb-record live --tee | { sleep 4; cat >live.cbf; }'
ok "live, with a reader that comes late: all leave with 0" '[ "$(cat status)" = "0 0 0" ]'
exits 0 cb-frame check live.cbf
mkfifo still
(exec 9<>still; exec sleep 30) &
sleeper=$!
ingest --realtime --duration 2s 2>/dev/null | cb-record still-store --tee 2>err >still &
ok "with a reader that never reads, the recording is sealed all the same" \
	'wait_for "ls still-store/cameras/front/*/*.mp4 2>/dev/null | grep -q ."'
kill $sleeper
wait
exits 0 cb-store check still-store
cb-replay live | cb-frame dump - | grep -c " PACKET " >n3
cb-replay still-store | cb-frame dump - | grep -c " PACKET " >n4
ok "and has as much as the other, or nearly so" '[ $(($(cat n3) - $(cat n4))) -le 8 ] && [ $(($(cat n4) - $(cat n3))) -le 8 ]'

done_testing
