#!/bin/sh
# Measures codecs, and Opus beside them, on recordings that they were not trained on; then what the codecs cost.
#
#   after/recipes/codec/measure.sh HELD_OUT WORK [NAME=]CODEC...
#
# HELD_OUT   from held_out.sh
# WORK       quality.txt, costs.txt and both as JSON
set -eu

held_out=$1 work=$2
shift 2
after evaluate_codec "$@" --audio "$held_out/instruments" --audio "$held_out/notes" --seconds 8 --per-group 2 \
    --opus 16 --opus 24 --opus 32 --no-cost --json "$work/quality.json" | tee "$work/quality.txt"
after evaluate_codec "$@" --json "$work/costs.json" | tee "$work/costs.txt"
