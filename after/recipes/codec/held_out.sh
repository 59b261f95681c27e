#!/bin/sh
# Makes recordings that no codec of recipes/bundled was trained on, to measure reconstruction with.
#
#   after/recipes/codec/held_out.sh SAMPLES MIDI OUT
#
# OUT/instruments   phrases of twelve instruments that the training's recipe does not name
# OUT/notes         notes F, which training holds out of six instruments
set -eu

samples=$1 midi=$2 out=$3
notes=$(dirname "$0")/../../../docs/held_out.mid

after synthesize_dataset --instruments "$samples" --midi "$midi" --out "$out/instruments" --seed 11 \
    --seconds-per-instrument 24 --phrase-seconds 10 \
    --only sax_soprano,banjo,sitar,sf_accordion,sf_recorder,guitar_steel,xylophone,epiano_cp80,sf_viola,clarinet,piano_upright,voice_female_aa
after play_samples "$notes" --instruments "$samples" --out "$out/notes" \
    --only cello_solo,flute,sax_alto,piano_headroom,guitar_nylon,trumpet
