#!/bin/bash
# Kills each kind of training at random moments and resumes it, until it has finished; the product must have the bytes of the
# run that was left alone, and nothing else may be left behind. Takes a copy of the tools in .build/release.
#
#     check-kills.sh [KILLS] [SEED]      50 kills per kind of training, with delays drawn from SEED (1)
set -euo pipefail
cd "$(dirname "$0")/.."
kills=${1:-50}
RANDOM=${2:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
cp .build/release/{train-tokenizer,tokenize,cluster-codebook,train-ar,train-fine} "$work/bin"
export PATH="$work/bin:$PATH"
fail() { echo "check-kills: $*" >&2; exit 1; }

[[ -d data/digits || -d data/emoji ]] || pipelines/datasets/emoji.py data/emoji
images=$([[ -d data/digits ]] && echo "$PWD/data/digits" || echo "$PWD/data/emoji")
cd "$work"
common=(--quiet --seed 1 --threads 2 --no-provenance)
train-tokenizer "$images" --model CPU-4 --size 32 --channels 8 --batch-size 8 --codes 64 --steps 5 "${common[@]}" \
  --output tokenizer.zst
tokenize "$images" --tokenizer tokenizer.zst "${common[@]}" --output plain.tokens.zst
tokenize "$images" --tokenizer tokenizer.zst --views flip "${common[@]}" --output views.tokens.zst
cluster-codebook tokenizer.zst --clusters 8 "${common[@]}" --output coarse.zst

declare -A commands=(
  [train-tokenizer]="train-tokenizer $images --model CPU-4 --size 32 --channels 8 --batch-size 8 --codes 64 --steps 100"
  [train-ar]="train-ar plain.tokens.zst --model CPU-tiny --cluster-size 8 --batch-size 8 --steps 150 --ema 0.99"
  [self-guided]="train-ar views.tokens.zst --model CPU-tiny --self-guided --batch-size 8 --steps 60"
  [train-fine]="train-fine plain.tokens.zst --mapping coarse.zst --model CPU-tiny --batch-size 8 --steps 100"
)

# Runs the command once; as long as kills are missing, it lives for a random part of a quarter of the whole time, so that it
# gets on and is killed all the same.
attempt() {
  "${command[@]}" "${common[@]}" --resume --output killed/model.zst &
  local process=$! status=0 delay
  if ((killed < kills)); then
    delay=$((RANDOM % 1000 * (whole / 4 + 1) / 1000))
    sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
    kill -9 "$process" 2>/dev/null || true
  fi
  wait "$process" 2>/dev/null || status=$?
  case $status in
    0) ;;
    137) killed=$((killed + 1)) ;;
    *) fail "$name: after $killed kills the run ended with $status" ;;
  esac
}

for name in "${!commands[@]}"; do
  read -ra command <<<"${commands[$name]} --checkpoint-every 5 --evaluate-every 0"
  mkdir whole
  start=$(date +%s%N)
  "${command[@]}" "${common[@]}" --output whole/model.zst
  whole=$((($(date +%s%N) - start) / 1000000))
  # A run that is finished before it has been killed often enough is followed by a new one.
  killed=0 products=0
  while ((killed < kills)); do
    mkdir killed
    until [[ -e killed/model.zst ]]; do attempt; done
    # A kill after the product has appeared may leave the checkpoint: the same command ends the work.
    [[ $(ls -A killed) == model.zst ]] || "${command[@]}" "${common[@]}" --resume --output killed/model.zst
    cmp whole/model.zst killed/model.zst || fail "$name: after $killed kills the product has other bytes"
    left=$(ls -A killed)
    [[ $left == model.zst ]] || fail "$name: left behind: $left"
    rm -r killed
    products=$((products + 1))
    echo "$name: $killed of $kills kills" >&2
  done
  echo "$name: $killed kills, $products products with equal bytes, nothing left"
  rm -r whole
done
