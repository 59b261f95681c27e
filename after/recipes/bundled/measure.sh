#!/bin/sh
# Measures the bundled instrument (or the one that build.sh left in WORK) against the sampled instruments it learned from.
#
#   after/recipes/bundled/measure.sh SAMPLES MIDI WORK INSTRUMENT.safetensors
#
# Everything is made below WORK: references of the demo melody, phrases with another seed than the training's, and
# results as text, JSON and a page to look at and to listen to.
set -eu

samples=$1 midi=$2 work=$3 instrument=$4
demo=$(dirname "$0")/../../pretrained/demo.mid
names="cello_solo=cello violin_solo=violin contrabass_pizz=contrabass sax_alto=alto_sax sf_oboe=oboe
       sf_french_horn=french_horn piano_headroom=piano epiano_wurlitzer=epiano sf_harpsichord=harpsichord
       sf_church_organ=organ guitar_nylon=guitar sf_marimba=marimba choir_female_aa=choir"
own="flute bassoon trumpet trombone tuba harp vibraphone"

renames=""
only=$(echo $own | tr ' ' ',')
for pair in $names; do
    renames="$renames --rename $pair"
    only="$only,${pair%=*}"
done
after play_samples "$demo" --instruments "$samples" --out "$work/references" --only "$only" $renames

if [ ! -e "$work/centroids.json" ]; then
    after synthesize_dataset --recipe synthesis --instruments "$samples" --midi "$midi" --out "$work/other_phrases" \
        --seed 7 --seconds-per-instrument 60
    for pair in $names; do mv "$work/other_phrases/${pair%=*}" "$work/other_phrases/${pair#*=}"; done
    after evaluate --make-centroids "$work/other_phrases" --out "$work/centroids.json"
fi
after evaluate --instrument "$instrument" --midi "$demo" --recordings "$work/references" \
    --save "$work/renders" --json "$work/evaluation.json" | tee "$work/evaluation.txt"
after evaluate --instrument "$instrument" --recordings "$work/other_phrases" --pairs \
    --json "$work/phrases.json" --html "$work/phrases.html" | tee "$work/phrases.txt"
after bench "$instrument" --json "$work/bench.json" | tee "$work/bench.txt"
