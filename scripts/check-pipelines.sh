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
names=(quickstart llamagen-baseline iar ctf iar-st-ar ctf-st-ar iar-ctf iar-ctf-st-ar)
for name in "${names[@]}"; do
  pipeline "$name" "$name"
  pipeline "$name" "$name" --question || fail "$name: a second make has something to do"
  for product in samples.png nearest.png loss.png report.json report.html; do
    [[ -s $work/$name/$product ]] || fail "$name: no $product"
  done
done

# Three runs that share the work of a stage give what one run gives, behind a prefix, and leave nothing of themselves.
shards=(SHARED="$work/shards" SHARDS=3 RUN='env --')
pipeline quickstart shards "${shards[@]}" --jobs 3
pipeline quickstart shards "${shards[@]}" --question || fail "shards: a second make has something to do"
values() { .build/release/show-file --tensor "$1" "$2" | grep -v '^#' | tr -s ' ' '\n'; }
while read -r file tensor; do
  cmp <(values "$tensor" "$work/quickstart/$file.zst") <(values "$tensor" "$work/shards/$file.zst") ||
    fail "shards: the $tensor of $file are not those of one run"
done <<'PRODUCTS'
images.tokens tokens
images.tokens labels
samples.tokens tokens
metrics/samples.tokens tokens
features/tokenizer/training.tensors features
metrics/samples.tensors features
PRODUCTS
[[ -z $(find "$work/shards" -name '*-of-3.zst') ]] || fail "shards are left behind"
figures() {
  python3 -c "import json; print({k: round(v, 9) for k, v in json.load(open('$1/report.json'))['tokenizer'].items()})"
}
[[ $(figures "$work/quickstart") == "$(figures "$work/shards")" ]] || fail "shards: the report has other figures"

# Several scales, with a tokenizer and a model of their own.
scales=(
  SHARED="$work/var" "TOKENIZER_OPTIONS=--model CPU-VAR-4 --channels 8 --batch-size 8"
  "MODEL_OPTIONS=--model CPU-VAR-tiny --layers 2 --batch-size 4"
)
for name in var var-iar; do
  pipeline "$name" "$name" "${scales[@]}"
  pipeline "$name" "$name" "${scales[@]}" --question || fail "$name: a second make has something to do"
  [[ -s $work/$name/report.html ]] || fail "$name: no report.html"
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
# The metrics: each pipeline's report has them all, of the number of samples that was asked for.
for name in "${names[@]}"; do
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

# A study trains each arm once, and its table has a line for each. All can be shown in a dry run.
lengths='^(MODEL|FINE)_STEPS='
study() {
  make --no-print-directory -f pipelines/studies.mk STUDIES="$work/studies" RESULTS="$work/results" SEEDS=0 STEPS=60 \
    PRESET=emoji-32 GUIDANCES='2 1' CODES_PER_CLUSTER=32 SPEED_SIZES=none settings-ctf='CLUSTERS=32 MODEL_STEPS=40 FINE_STEPS=40' \
    SETTINGS="$(printf '%q\n' "${settings[@]}" | grep -vE "$lengths" | tr '\n' ' ')" "$@"
}
trained() { study "$@" | grep -cE '^train-(ar|fine) ' || true; }
column() { cut -f1 "$work/results/$1.tsv" | sort -u | tr '\n' ' '; }
[[ $(trained iar-table-a7) == 3 ]] || fail "a study of three arms does not train three models"
again=$(study iar-table-a7 | grep -cE '^(train-ar|sample) ' || true)
[[ $again == 0 ]] || fail "a second run of a study has $again things to do"
[[ $(column iar-table-a7) == "baseline iar method smoothing " ]] || fail "iar-table-a7 lacks an arm: $(column iar-table-a7)"
# Where the variable is one of sampling, one model of each stage serves all values, and all such tables.
[[ $(trained ctf-table-3d) == 2 && $(trained ctf-table-3f) == 0 ]] || fail "a sweep over sampling trains more than once"
[[ $(column ctf-table-3d) == "0 1 32 name " ]] || fail "ctf-table-3d lacks a value: $(column ctf-table-3d)"
# A training is looked at over its steps by models that it saved, and without guidance by the model that is there.
[[ $(trained iar-table-a5) == 2 ]] || fail "the lengths of a training are trainings of their own"
[[ $(column iar-table-a5-40) == "baseline-at-40 iar-at-40 method " ]] || fail "iar-table-a5 lacks an arm"
[[ $(trained st-ar-table-6 POSITIONS=2) == 2 ]] || fail "samples without guidance have trainings of their own"
[[ $(column st-ar-table-6) == "method st-ar st-ar-positions-2 " ]] || fail "st-ar-table-6 lacks an arm"
for name in $(make -s -f pipelines/studies.mk | awk '{ print $1 }'); do
  study --dry-run "$name" >/dev/null || fail "no dry run of $name"
done

# Fine-tuning: three models per seed, of which the table compares two, and nothing to do the second time.
tuning() {
  make --no-print-directory -f pipelines/fine-tuning.mk FINE_TUNING="$work/tuning" RESULTS="$work/results" SEEDS=0 \
    TARGET="$PWD/data/emoji" PRESET=emoji-32 STEPS=20 TUNED_STEPS=10 EVALUATE_EVERY=5 MODEL_SIZE='--model CPU-tiny' \
    TRAINING='--batch-size 4' THREADS=1 "${settings[@]:5:3}"
}
[[ $(tuning | grep -cE '^train-ar ') == 3 ]] || fail "fine-tuning does not train three models"
[[ $(tuning | grep -cE '^train-ar ') == 0 ]] || fail "fine-tuning trains a second time"
[[ $(cut -f1 "$work/results/fine-tuning.tsv" | tail -n 1) == 0 ]] || fail "fine-tuning has no row of its seed"

# Images of one's own: nothing is written into the quick start's folder, and IMAGE_OPTIONS reach the tools that read them.
few=$work/few
for class in data/emoji/*; do
  mkdir -p "$few/${class##*/}"
  find "$class" -name '*.png' | LC_ALL=C sort | awk 'NR % 30 == 1' | xargs cp -t "$few/${class##*/}"
done
plan=$(make --no-print-directory -f pipelines/iar.mk DATA="$few" IMAGE_OPTIONS='--allow-upscale --skip-unreadable' --dry-run)
if grep -E '(out/quickstart|out/iar)/' <<<"$plan"; then fail "images of one's own share a folder with the quick start"; fi
for tool in train-tokenizer tokenize; do
  grep -qE "^$tool $few .*--allow-upscale --skip-unreadable" <<<"$plan" || fail "IMAGE_OPTIONS do not reach $tool"
done
# Those of decoding also reach the tools that make no views; the plan's continued lines are joined first.
joined=$(sed -e ':next; /\\$/ { N; s/\\\n//; b next }' <<<"$plan")
for reading in "detokenize .*--originals $few" "eval-metrics --reference $few"; do
  found=$(grep -E "$reading" <<<"$joined") || fail "no '$reading' in the plan"
  grep -q -e --allow-upscale <<<"$found" || fail "--allow-upscale does not reach '$reading'"
  if grep -q -e --skip-unreadable <<<"$found"; then fail "--skip-unreadable reaches '$reading'"; fi
done

# A tokenizer from elsewhere is used and not trained.
own=(DATA="$few" HELD_OUT=0.2 METRIC_SAMPLES=30 SHARED="$work/own" TOKENIZER="$work/quickstart/tokenizer.tensors.zst")
plan=$(pipeline llamagen-baseline imported "${own[@]}")
if grep -E '^train-tokenizer' <<<"$plan"; then fail "an imported tokenizer is trained over"; fi
grep -q 'codebook usage' <<<"$plan" || fail "nothing is said of the codes of an imported tokenizer"
pipeline llamagen-baseline imported "${own[@]}" --question || fail "imported: a second make has something to do"

# The papers' settings on ImageNet: a dry run of each, and a run in small with a grid of 24 x 24 tokens.
for method in baseline iar ctf st-ar; do
  for size in B L XL XXL; do
    for tokens in 16 24; do
      make --no-print-directory -f pipelines/imagenet.mk METHOD=$method MODEL=$size TOKENS=$tokens --dry-run >"$work/plan" ||
        fail "no dry run of $method, $size, $tokens"
      grep -qE "^train-ar .*--model GPT-$size .*--batch-size" "$work/plan" || fail "$method, $size, $tokens: no such model"
    done
  done
done
.build/release/train-tokenizer "$few" --size 96 --model CPU-4 --channels 8 --multipliers 1,2,4 --batch-size 4 --steps 3 \
  --threads 1 --output "$work/tokenizer-96.tensors.zst"
for method in iar ctf; do
  pipeline imagenet "imagenet-$method" METHOD=$method TOKENS=24 SIZE=96 "${own[@]}" SHARED="$work/shared-96" MODEL_STEPS=3 \
    FINE_STEPS=3 TOKENIZER="$work/tokenizer-96.tensors.zst" SHOWN_CLASSES=0,3 PER_CLASS=1 METRIC_SAMPLES=8 \
    FINE_OPTIONS='--model CPU-tiny --batch-size 2' MODEL_OPTIONS='--model CPU-tiny --batch-size 2'
  [[ -s $work/imagenet-$method/report.html ]] || fail "imagenet, $method: no page"
done
grep -q 'grid.*24' <<<"$(.build/release/show-file "$work/shared-96/images.tokens.zst")" || fail "the grid is not 24 x 24"

# Published figures again, in small: released weights are those of the run above, exported under LlamaGen's names.
for part in rearranged model; do
  .build/release/export-weights "$work/imagenet-iar/$part.tensors.zst" --output "$work/imagenet-iar/$part.safetensors"
done
.build/release/detokenize "$work/shared-96/images.tokens.zst" --tokenizer "$work/tokenizer-96.tensors.zst" --resize 64 \
  --limit 40 --npz "$work/reference.npz"
reproduction=(
  SIZE=384 TOKENIZER_WEIGHTS="$work/imagenet-iar/rearranged.safetensors" MODEL_WEIGHTS="$work/imagenet-iar/model.safetensors"
  TOKENIZER_IMPORT='--image-size 96 --groups 8'
  MODEL_IMPORT="--grid 24x24 --heads 4 --classes $(find "$few" -mindepth 1 -maxdepth 1 -type d | wc -l)"
  REFERENCE="$work/reference.npz" METRIC_NETWORK=pixels METRIC_SAMPLES=12 EVALUATION_SIZE=64 SHOWN=4 THREADS=1
)
reproduce() { make --no-print-directory -f pipelines/reproduce-llamagen.mk "${reproduction[@]}" "$@"; }
reproduce OUT="$work/again" | tee "$work/again.txt"
reproduce OUT="$work/again" --question || fail "reproduce-llamagen: a second make has something to do"
grep -q 'not comparable with published figures' "$work/again.txt" || fail "reproduce-llamagen: figures of pixels pass for FID"
grep -q '^fd-pixels' "$work/again/report.tsv" || fail "reproduce-llamagen: no distance in the report"
[[ -s $work/again/samples.png ]] || fail "reproduce-llamagen: no pictures"
[[ $(python3 -c "import json; print(json.load(open('$work/again/report.json'))['guidance'])") == 2.25 ]] ||
  fail "reproduce-llamagen: the guidance is not the preset's"
# In shards, after an end in the midst of them: only what is missing is made, and the figures are those of one run.
reproduce OUT="$work/again-shards" SHARDS=3 "$work/again-shards/shards/samples.tokens-2-of-3.zst"
reproduce OUT="$work/again-shards" SHARDS=3 RUN='env --' --jobs 3 >"$work/again-shards.txt"
[[ $(grep -c '^env -- sample ' "$work/again-shards.txt") == 2 ]] || fail "reproduce-llamagen: a finished shard is made again"
if grep -q 'import-weights ' "$work/again-shards.txt"; then fail "reproduce-llamagen: finished imports are made again"; fi
cmp "$work/again/report.tsv" "$work/again-shards/report.tsv" || fail "reproduce-llamagen: shards give other figures"
reproduce OUT="$work/again" guidance-sweep GUIDANCES='2 1' >"$work/sweep.txt"
if grep -q '^import-weights ' "$work/sweep.txt"; then fail "a sweep over guidance imports again"; fi
[[ $(cut -f1 "$work/again/guidance.tsv" | tr '\n' ' ') == "name 2 1 " ]] || fail "a sweep over guidance lacks a value"
[[ -s $work/again/guidance-fid.svg ]] || fail "a sweep over guidance has no plot"

# A file that the samples are compared with in place of the training images.
pipeline llamagen-baseline llamagen-baseline REFERENCE="$work/quickstart/metrics/samples.npz"
python3 -c "import json, sys; sys.exit(json.load(open('$work/llamagen-baseline/metrics/training.json'))['reference']['images'] != 90)" ||
  fail "REFERENCE is not what the samples are compared with"
make --no-print-directory -f pipelines/imagenet.mk DATA="$few" TOKENIZER="$work/tokenizer-96.tensors.zst" METHOD=st-ar \
  REFERENCE="$work/quickstart/metrics/samples.npz" WEIGHTS="$work" --dry-run >"$work/plan"
grep -qE "^train-ar .*--epochs 300 " "$work/plan" || fail "the papers' epochs are not those of the training"
grep -qF -- "--reference $work/quickstart/metrics/samples.npz " "$work/plan" || fail "REFERENCE does not reach eval-metrics"

# Without weights, and without pip to fetch them, a pipeline ends well and says what it has not computed.
words=$(PIP_NO_INDEX=1 pipeline iar iar METRIC_NETWORK=squeezenet-1.1 WEIGHTS="$work/weights" 2>/dev/null)
grep -q "not computed: no weights" <<<"$words" || fail "nothing is said of metrics without weights"

# The pages about these runs, and one about several, in Chromium.
python3 pipelines/report_page.py "$work"/{quickstart,llamagen-baseline,iar,ctf} --output "$work/compare.html"
scripts/check-pages.sh
scripts/check-pages.sh "$work"/{quickstart,ctf,iar-st-ar,imagenet-iar}/report.html "$work/compare.html"
echo "check-pipelines: all is well"
