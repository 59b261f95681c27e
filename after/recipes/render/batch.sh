#!/bin/sh
# Measures `after batch`: how two workers compare with one, and a batch that is killed in the middle and taken up again.
# The figures of docs/render.md.
#
#   after/recipes/render/batch.sh [NUMBER] [WORK] [OPTION...]
#
# NUMBER   files to render, made of the demo's melody: transposed, of different lengths, 5 to 20 s
# WORK     songs, outputs, reports and at last batch.txt; some 3 MB for each file
# OPTION   more for `after batch`, such as --instrument FILE
#
# The killed batch gets signal 9 as soon as half of its files are there; then the same command runs again.
set -eu

number=${1:-100} work=${2:-out/batch_figures}
if [ $# -gt 2 ]; then shift 2; else set --; fi
here=$(dirname "$0")
mkdir -p "$work"
rm -rf "$work/one" "$work/two" "$work/killed"
python "$here/songs.py" "$work/songs" "$number"

count() {
    find "$work/killed" -name .after-batch -prune -o -name '*.wav' -print 2>/dev/null | wc -l
}

after batch "$work/songs" --timbre violin --out "$work/one" --workers 1 --report "$work/one.json" "$@"
after batch "$work/songs" --timbre violin --out "$work/two" --workers 2 --report "$work/two.json" "$@"

after batch "$work/songs" --timbre violin --out "$work/killed" --workers 2 "$@" &
batch=$!
while [ "$(count)" -lt $((number / 2)) ] && kill -0 "$batch"; do sleep 0.05; done
kill -9 "$batch" || true
wait "$batch" || true
find "$work/killed" -name .after-batch -prune -o -name '*.wav' -printf '%P %T@\n' | sort >"$work/kept.txt"
after batch "$work/songs" --timbre violin --out "$work/killed" --workers 2 --report "$work/killed.json" "$@"

python "$here/batch.py" "$work" | tee "$work/batch.txt"
