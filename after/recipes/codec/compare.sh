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

store=$1 held_out=$2 work=$3 iterations=${4:-800}

# name, settings: designs differ in what is analysed, how it is sounded, and how often
train() {
    name=$1
    shift
    options=""
    for setting in "$@"; do options="$options --set $setting"; done
    # codec_bundled changes nothing but the gain of the excerpts; no discriminators
    # shellcheck disable=SC2086
    after train_autoencoder "$store" --out "$work/$name" --preset codec_bundled --threads 1 --iterations "$iterations" \
        --set loss.mel_weight=1.0 --set training.validate_every=400 --set training.save_every=400 $options
    names="$names $name=$work/$name"
}

names=""
spectrum="codec.analysis=spectrum codec.num_latents=64 codec.encoder_width=224 codec.decoder_width=288"
relative="codec.analysis=relative_bands codec.band_floor=1e-5 codec.band_range_hz=[30.0,20000.0]"
train bands_sines
train relative_bands_sines $relative
train relative_bands_sines_512 $relative codec.latent_stride=1 codec.num_latents=48
train spectrum_sines $spectrum codec.encoder_width=192 codec.decoder_width=256
train spectrum_istft $spectrum codec.synthesis=istft
train spectrum_istft_512 $spectrum codec.synthesis=istft codec.latent_stride=1 codec.num_latents=32
train spectrum_mdct $spectrum codec.synthesis=mdct
train pqmf codec.analysis=pqmf codec.synthesis=pqmf codec.num_latents=64 codec.encoder_width=40 codec.decoder_width=56
# shellcheck disable=SC2086
after evaluate_codec $names --audio "$held_out" --seconds 5 --json "$work/comparison.json" | tee "$work/comparison.txt"
