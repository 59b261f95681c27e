#!/bin/sh
# Makes the bundled codec from a sample library and MIDI files. Interrupted, the same command goes on.
#
#   after/recipes/codec/build.sh SAMPLES MIDI WORK [SECONDS]
#
# SAMPLES   folder with one folder of recorded notes per instrument, and its manifest
# MIDI      folder of MIDI files
# WORK      everything made on the way: phrases, store, run, and at last codec.safetensors
# SECONDS   stop training (saved) after so long; for machines that are lent in slices
set -eu

samples=$1 midi=$2 work=$3
limit=${4:+--time-limit $4}

after synthesize_dataset --recipe "$(dirname "$0")/phrases.toml" --instruments "$samples" --midi "$midi" \
    --out "$work/phrases" --seconds-per-instrument 600
after prepare_dataset "$work/phrases" --out "$work/store"
# shellcheck disable=SC2086
after train_autoencoder "$work/store" --out "$work/codec" --preset codec_44k_cpu --threads 1 $limit
after export_autoencoder "$work/codec" --out "$work/codec.safetensors" --license CC-BY-4.0
