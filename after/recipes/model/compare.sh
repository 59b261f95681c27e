#!/bin/sh
# Trains small models that differ in one thing each, on equal data for equal numbers of updates, and measures them.
# Interrupted, the same command goes on.
#
#   after/recipes/model/compare.sh STORE WORK [UPDATES] [VARIANT...]
#   ONLY=evaluate PAIRS=flute,trumpet after/recipes/model/compare.sh STORE WORK
#
# STORE     of after prepare_dataset, with notes and --feature pitch,loudness
# WORK      runs and figures, one folder per variant
# UPDATES   of each training, all of its stages together [4000]; a run that has fewer goes on from where its learning
#           rate had ended, so for figures that are compared with others begin in a new WORK
# VARIANT   which ones [all]; two commands with different variants may run at once
# ONLY      train, or evaluate what is trained [both]
# PAIRS     instruments to play in each other's timbre [six of recipes/bundled]
#
# A variant is measured again if its run has a newer checkpoint, or another number of updates, than its figures.
set -eu

[ $# -ge 2 ] || { echo "usage: $0 STORE WORK [UPDATES] [VARIANT...]" >&2; exit 2; }
store=$1 work=$2 updates=${3:-4000} only=${ONLY:-both}
if [ $# -ge 3 ]; then shift 3; else shift 2; fi
case $updates in
'' | *[!0-9]*) echo "UPDATES is '$updates'; it takes a whole number, before any VARIANT" >&2; exit 2 ;;
esac
case $only in
train | evaluate | both) ;;
*) echo "ONLY is '$only'; it takes train or evaluate, or leave it out for both" >&2; exit 2 ;;
esac

small="--set crop_frames=128 --set training.batch_size=16 --set training.iterations=$updates \
 --set training.save_every=500 --set training.validate_every=$updates --set training.optimizer.ema_decay=0.995 \
 --set model.structure.num_blocks=1 --set model.denoiser.width=160 --set model.denoiser.num_layers=4 \
 --set model.denoiser.window=48 --set model.timbre.width=96 --set model.timbre.num_blocks=2"
unet="--set model.denoiser.network=unet --set model.denoiser.unet.widths=[144,208,240]"
learned="--set model.structure.kind=learned --set model.structure.code_width=96 --set model.structure.code_blocks=2"
later="--set disentangling.start=$((updates / 4)) --set disentangling.length=$((updates / 2))"
parted="--set disentangling.correlation=1 $later"

options() {
    case $1 in
    midi_transformer) echo ;;
    midi_unet) echo "$unet" ;;
    midi_epsilon) echo "--set model.objective.kind=epsilon" ;;
    midi_edm) echo "--set model.objective.kind=edm" ;;
    midi_level) echo "--set level_weight=10" ;;
    midi_pitch_critic) echo "--set disentangling.pitch_critic=0.1 --set disentangling.length=$updates" ;;
    pitch_loudness) echo "--set model.structure.kind=pitch_loudness" ;;
    learned_plain) echo "$learned" ;;
    learned_critic) echo "$learned --set disentangling.timbre_critic=0.05 --set disentangling.length=$updates" ;;
    learned_gentle_critic) echo "$learned --set disentangling.timbre_critic=0.01 $later" ;;
    learned_correlation) echo "$learned $parted" ;;
    # the budget is the others': the first fifth of the updates teaches the timbre encoder alone, the rest all else
    learned_timbre_first) echo "$learned $parted --set timbre_first.iterations=$((updates / 5))" ;;
    *) echo "unknown variant $1: see the list in $0" >&2; exit 2 ;;
    esac
}

train() {
    chosen=$(options "$1")
    # shellcheck disable=SC2086  # both are lists of options
    after train "$store" --out "$work/$1" --preset base --threads 1 $small $chosen
}

is_measured() {
    [ -e "$1.json" ] && [ -z "$(find "$1/checkpoints" -name '*.safetensors' -newer "$1.json")" ] &&
        grep -q "\"iterations\": $updates," "$1.json"
}

evaluate() {
    run=$work/$1 newest=none
    for path in "$run"/checkpoints/*.safetensors; do
        if [ -e "$path" ]; then newest=${path##*/}; fi
    done
    if [ "$newest" != "$(printf %08d "$updates").safetensors" ]; then
        echo "$run was not trained for $updates updates (its newest checkpoint is $newest): train it, give the" \
            "UPDATES that it has, or name a new WORK" >&2
        exit 2
    fi
    if ! is_measured "$run"; then
        after evaluate_model "$run" --store "$store" --steps 1,2,4,8,16 --items 32 --references 12 \
            --pairs "${PAIRS:-flute,violin_solo,trumpet,bassoon,guitar_nylon,sf_oboe}" --json "$run.json" >"$run.txt"
    fi
    echo "== $1"
    cat "$run.txt"
}

[ $# -gt 0 ] || set -- midi_transformer midi_unet midi_epsilon midi_edm midi_level midi_pitch_critic pitch_loudness \
    learned_plain learned_critic learned_gentle_critic learned_correlation learned_timbre_first

for variant; do options "$variant" >/dev/null; done
for variant; do
    if [ "$only" != evaluate ]; then train "$variant"; fi
    if [ "$only" != train ]; then evaluate "$variant"; fi
done
