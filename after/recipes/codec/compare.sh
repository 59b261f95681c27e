#!/bin/sh
# Trains designs of codecs of about equal cost on the same data for the same number of updates, and compares them.
# Interrupted, the same command goes on.
#
#   after/recipes/codec/compare.sh STORE HELD_OUT WORK [ITERATIONS]
#
# STORE      from recipes/bundled/build.sh
# HELD_OUT   recordings that were not trained on, from held_out.sh
# WORK       runs, and at last comparison.txt and comparison.json
set -eu

store=$1 held_out=$2 work=$3 iterations=${4:-400}

# name, settings: designs differ in what is analysed, how it is sounded, and how often
train() {
    name=$1
    shift
    options=""
    for setting in "$@"; do options="$options --set $setting"; done
    # of this preset all but the codec itself counts: no discriminators, excerpts vary in gain only
    # shellcheck disable=SC2086
    after train_autoencoder "$store" --out "$work/$name" --preset codec_bundled --threads 1 --iterations "$iterations" \
        --set loss.mel_weight=1.0 --set training.validate_every=200 --set training.save_every=200 $options
    names="$names $name=$work/$name"
}

names=""
# as many numbers per second for all: 64 at 43 frames/s, 32 at 86; about 1 GFLOP per second of audio
spectrum="codec.analysis=spectrum codec.num_latents=64 codec.encoder_width=192 codec.decoder_width=272"
relative="codec.analysis=relative_bands codec.num_latents=64 codec.band_floor=1e-5 codec.band_range_hz=[30.0,20000.0]"
train bands_sines codec.num_latents=64 codec.band_floor=1e-6 "codec.band_range_hz=[30.0,20000.0]"
train relative_bands_sines $relative
train relative_bands_sines_512 $relative codec.latent_stride=1 codec.num_latents=32
train relative_bands_istft $relative codec.synthesis=istft codec.decoder_width=320
train spectrum_sines $spectrum codec.encoder_width=160 codec.decoder_width=240
train spectrum_istft $spectrum codec.synthesis=istft
train spectrum_mdct $spectrum codec.synthesis=mdct codec.decoder_width=256
train pqmf codec.analysis=pqmf codec.synthesis=pqmf codec.num_latents=64 codec.encoder_width=32 codec.decoder_width=48
# shellcheck disable=SC2086
after evaluate_codec $names --audio "$held_out" --seconds 5 --json "$work/comparison.json" | tee "$work/comparison.txt"
