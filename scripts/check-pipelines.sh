#!/bin/bash
# Runs the pipelines in small: each to its end, one of them killed on the way and made again, each a second
# time to see that nothing is left to do. Takes the tools from .build/release; writes below a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

settings=(
  DATA="$PWD/data/emoji" SHARED="$work/quickstart" THREADS=1 PER_CLASS=2 EVALUATE_EVERY=20 CHECKPOINT_EVERY=10
  TOKENIZER_STEPS=30 "TOKENIZER_OPTIONS=--model CPU-4 --channels 8 --multipliers 1,2,4 --batch-size 8"
  MODEL_STEPS=60 FINE_STEPS=30 METRIC_SAMPLES=90 METRIC_NETWORK=tokenizer "MODEL_OPTIONS=--model CPU-tiny --batch-size 4"
)
pipeline() { make --no-print-directory -f "pipelines/$1.mk" OUT="$work/$2" "${settings[@]}" "${@:3}"; }
fail() { echo "check-pipelines: $*" >&2; exit 1; }

[[ -d data/emoji ]] || pipelines/datasets/emoji.py data/emoji
for name in quickstart llamagen-baseline iar ctf; do
  pipeline "$name" "$name"
  pipeline "$name" "$name" --question || fail "$name: a second make has something to do"
  for product in samples.png nearest.png loss.png report.json; do
    [[ -s $work/$name/$product ]] || fail "$name: no $product"
  done
done

# A training killed after its first checkpoint, in a pipeline of its own.
pipeline iar killed "$work/killed/rearranged.tokens.zst"
pipeline iar killed "$work/killed/model.tensors.zst" &
until [[ -e $work/killed/model.tensors.zst.checkpoint ]]; do sleep 0.05; done
kill -9 "$(pgrep -f "train-ar $work/killed/")"
wait $! && fail "the killed pipeline claims success"
[[ ! -e $work/killed/model.tensors.zst ]] || fail "the model was done before it could be killed"
pipeline iar killed
losses() { grep '"step"' "$1/logs/model.jsonl"; }
cmp <(losses "$work/iar") <(losses "$work/killed") || fail "a resumed training is not the uninterrupted one"

# A changed setting makes its stage again, and what depends on it, and nothing else.
again=$(pipeline iar iar PER_CLASS=1 --dry-run | grep -oE '^(train-tokenizer|train-ar|sample|detokenize) ' | tr -d '\n')
[[ $again == "sample detokenize " ]] || fail "PER_CLASS=1 runs '$again' again"
# A sweep trains once where the variable is one of sampling, and gives a line a value.
ablations() {
  make --no-print-directory -f pipelines/ablations.mk ctf-fine-top-k ABLATIONS="$work/ablations" SEEDS=0 \
    SETTINGS="$(printf '%q ' "${settings[@]}")"
}
trainings=$(ablations | grep -cE '^train-(ar|fine) ')
[[ $trainings == 2 ]] || fail "a sweep over top-k trains $trainings models"
[[ $(wc -l <"$work/ablations/ctf-fine-top-k.tsv") == 5 ]] || fail "the sweep's table has no line for each value"
# The metrics: each pipeline's report has them all, of the number of samples that was asked for.
for name in quickstart llamagen-baseline iar ctf; do
  python3 - "$work/$name/report.json" <<'CHECK' || fail "$name: the report lacks metrics"
import json, sys
report = json.load(open(sys.argv[1]))
names = ["fd-tokenizer", "kd-tokenizer", "kd-tokenizer-standard_error", "precision", "recall"]
wanted = [prefix + name for prefix in ["", "held-out-", "tokenizer-"] for name in names]
wanted += ["held_out_loss", "training_seconds", "images_per_second", "duplicate_samples", "copies_of_training_images"]
assert all(isinstance(report["figures"][name], (int, float)) for name in wanted), report["figures"]
assert report["metrics"]["training"]["samples"]["images"] == 90
CHECK
done

# Without weights, and without pip to fetch them, a pipeline ends well and says what it has not computed.
words=$(PIP_NO_INDEX=1 pipeline iar iar METRIC_NETWORK=squeezenet-1.1 WEIGHTS="$work/weights" 2>/dev/null)
grep -q "not computed: no weights" <<<"$words" || fail "nothing is said of metrics without weights"
echo "check-pipelines: all is well"
