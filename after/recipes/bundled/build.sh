#!/bin/sh
# Makes the bundled instrument from a sample library and MIDI files. Interrupted, the same command goes on.
#
#   after/recipes/bundled/build.sh SAMPLES MIDI WORK [SECONDS]
#
# SAMPLES   folder with one folder of recorded notes per instrument, and its manifest
# MIDI      folder of MIDI files
# WORK      everything made on the way: phrases, store, runs, and at last midi.safetensors
# SECONDS   stop each training (saved) after so long; for machines that are lent in slices
set -eu

samples=$1 midi=$2 work=$3
limit=${4:+--time-limit $4}

after synthesize_dataset --recipe synthesis --instruments "$samples" --midi "$midi" --out "$work/phrases"
after prepare_dataset "$work/phrases" --out "$work/store"
after train_autoencoder "$work/store" --out "$work/codec" --preset codec_bundled $limit
after train "$work/store" --codec "$work/codec" --out "$work/model" --preset midi_bundled $limit
after bundle "$work/model" --codec "$work/codec" --store "$work/store" --out "$work/midi.safetensors" \
    --license CC-BY-4.0 --guidance-structure 2 --guidance-timbre 2 \
    --rename cello_solo=cello --rename violin_solo=violin --rename contrabass_pizz=contrabass \
    --rename sax_alto=alto_sax --rename sf_oboe=oboe --rename sf_french_horn=french_horn \
    --rename piano_headroom=piano --rename epiano_wurlitzer=epiano --rename sf_harpsichord=harpsichord \
    --rename sf_church_organ=organ --rename guitar_nylon=guitar --rename sf_marimba=marimba \
    --rename choir_female_aa=choir
