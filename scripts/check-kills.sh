#!/bin/bash
# Kills each training tool at random moments and resumes it, until it has finished; the product must have the bytes of the
# run that was left alone, and nothing else may be left behind. Takes the tools from .build/release.
#
#     check-kills.sh [KILLS] [SEED]      50 kills per tool, with delays drawn from SEED (1)
set -euo pipefail
cd "$(dirname "$0")/.."
kills=${1:-50}
RANDOM=${2:-1}
export PATH="$PWD/.build/release:$PATH"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
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
  [train-tokenizer]="train-tokenizer $images --model CPU-4 --size 32 --channels 8 --batch-size 8 --codes 64 --steps 300"
  [train-ar]="train-ar plain.tokens.zst --model CPU-tiny --cluster-size 8 --batch-size 8 --steps 600 --ema 0.99"
  [self-guided]="train-ar views.tokens.zst --model CPU-tiny --self-guided --batch-size 8 --steps 200"
  [train-fine]="train-fine plain.tokens.zst --mapping coarse.zst --model CPU-tiny --batch-size 8 --steps 400"
)

for name in "${!commands[@]}"; do
  read -ra command <<<"${commands[$name]} --checkpoint-every 10 --evaluate-every 0"
  mkdir whole killed
  start=$(date +%s%N)
  "${command[@]}" "${common[@]}" --output whole/model.zst
  whole=$((($(date +%s%N) - start) / 1000000))
  # A run lives for up to a quarter of the whole time, so that it gets on and is killed all the same.
  done=0
  for ((kill = 0; kill < kills && !done; kill++)); do
    "${command[@]}" "${common[@]}" --resume --output killed/model.zst &
    delay=$((RANDOM % 1000 * (whole / 4 + 1) / 1000))
    sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
    if kill -9 $! 2>/dev/null; then wait $! 2>/dev/null || true; else wait $! && done=1; fi
    [[ ! -e killed/model.zst ]] || done=1
  done
  [[ -e killed/model.zst ]] || "${command[@]}" "${common[@]}" --resume --output killed/model.zst
  cmp whole/model.zst killed/model.zst || fail "$name: after $kill kills the product has other bytes"
  left=$(ls -A killed)
  [[ $left == model.zst ]] || fail "$name: left behind: $left"
  echo "$name: $kill kills, equal bytes, nothing left"
  rm -r whole killed
done
