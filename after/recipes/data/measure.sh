#!/bin/sh
# Measures what preparing data costs and what features are worth: the figures of docs/data.md.
# Interrupted, the same command goes on; figures that are there already stay.
#
#   after/recipes/data/measure.sh [PHRASES] [WORK]
#
# PHRASES   recordings with MIDI beside them, from `after synthesize_dataset`; one folder for each instrument
# WORK      stores, one text file for each run, and at last summary.txt; some 5 GB
#
# Preparing is measured on the first ten phrases of each instrument, CREPE's full network on the first one. Memory is
# measured on one recording of one hour and one of three, the phrases one after the other. What features hear is
# compared with the MIDI files of the first ten phrases, by CREPE's full network of the first three.
set -eu

phrases=${1:-out/phrases} work=${2:-out/data_figures}
here=$(dirname "$0")
export OMP_NUM_THREADS=1
mkdir -p "$work"

# name, inputs and options; what the run says is kept with the size of the store in kB
prepare() {
    name=$1
    shift
    if [ -e "$work/$name.txt" ]; then return; fi
    rm -rf "${work:?}/$name"
    python "$here/peak.py" after prepare_dataset "$@" --out "$work/$name" | tee "$work/$name.part"
    du -sk "$work/$name" >>"$work/$name.part"
    mv "$work/$name.part" "$work/$name.txt"
}

sample() {
    name=$1
    shift
    prepare "$name" "$phrases" --include '*_0000[0-9].flac' "$@"
}

sample waveform
sample loudness --feature loudness
sample latents --feature latents
sample transcription --feature transcription
sample latents_transcription --feature latents,transcription
sample pitch_tiny --feature pitch
sample everything --feature loudness,latents,transcription,pitch
prepare pitch_full "$phrases" --include '*_00000.flac' --feature pitch --crepe full

for hours in 1 3; do
    if [ ! -e "$work/$hours.flac" ]; then python "$here/long_recording.py" "$phrases" "$hours" "$work/$hours.flac"; fi
    prepare "waveform_${hours}h" "$work/$hours.flac"
    prepare "everything_${hours}h" "$work/$hours.flac" --feature loudness,latents,transcription,pitch
done

after bench_data "$work/everything" --preset midi | tee "$work/loader.txt"

hear() {
    name=$1
    shift
    if [ ! -e "$work/$name.json" ]; then
        after evaluate_features "$phrases" --json "$work/$name.json" "$@" | tee "$work/$name.txt"
    fi
}

hear features --limit 10
hear features_150ms --limit 10 --tolerance-ms 150
hear features_full --limit 3 --crepe full
python "$here/summary.py" "$work" | tee "$work/summary.txt"
