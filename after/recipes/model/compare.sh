#!/bin/sh
# Trains small models that differ in one thing each, on equal data for equal numbers of updates, and measures them.
# Interrupted, the same command goes on.
#
#   after/recipes/model/compare.sh STORE WORK [UPDATES] [VARIANT...]
#
# STORE     of after prepare_dataset, with notes and --feature pitch,loudness
# WORK      runs and figures, one folder per variant
# UPDATES   of each training [1500]
# VARIANT   which ones [all]; two commands with different variants may run at once
set -eu

store=$1 work=$2 updates=${3:-1500}
[ $# -ge 3 ] && shift 3 || shift $#

small="--set crop_frames=128 --set training.batch_size=16 --set training.iterations=$updates \
 --set training.save_every=250 --set training.validate_every=$updates --set training.optimizer.ema_decay=0.99 \
 --set model.structure.num_blocks=1 --set model.denoiser.width=160 --set model.denoiser.num_layers=4 \
 --set model.denoiser.window=48 --set model.timbre.width=96 --set model.timbre.num_blocks=2"
unet="--set model.denoiser.network=unet --set model.denoiser.unet.widths=[144,208,240]"
learned="--set model.structure.kind=learned --set model.structure.code_width=96 --set model.structure.code_blocks=2"
parted="--set disentangling.correlation=4 --set disentangling.length=300"

options() {
    case $1 in
    midi_transformer) echo ;;
    midi_unet) echo "$unet" ;;
    midi_epsilon) echo "--set model.objective.kind=epsilon" ;;
    midi_edm) echo "--set model.objective.kind=edm" ;;
    midi_pitch_critic) echo "--set disentangling.pitch_critic=0.1 --set disentangling.length=300" ;;
    pitch_loudness) echo "--set model.structure.kind=pitch_loudness" ;;
    learned_plain) echo "$learned" ;;
    learned_critic) echo "$learned --set disentangling.timbre_critic=0.5 --set disentangling.length=300" ;;
    learned_correlation) echo "$learned $parted" ;;
    learned_timbre_first) echo "$learned $parted --set timbre_first.iterations=$((updates / 5))" ;;
    *) echo "unknown variant $1" >&2; exit 2 ;;
    esac
}

[ $# -gt 0 ] || set -- midi_transformer midi_unet midi_epsilon midi_edm midi_pitch_critic pitch_loudness \
    learned_plain learned_critic learned_correlation learned_timbre_first

for variant; do
    run="$work/$variant"
    after train "$store" --out "$run" --preset base --threads 1 $small $(options "$variant")
    [ -e "$run.json" ] || after evaluate_model "$run" --store "$store" --steps 1,2,4,8,16 --items 32 --references 12 \
        --pairs "${PAIRS:-flute,violin_solo,trumpet,bassoon,guitar_nylon,sf_oboe}" --json "$run.json" >"$run.txt"
    echo "== $variant"; cat "$run.txt"
done
