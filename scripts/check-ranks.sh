#!/bin/bash
# Trains each kind of model on 1, 2, 4 and 8 ranks of the MPI that is installed, and compares the products byte by byte; kills one
# rank of four with kill -9 and goes on with two and one; and looks at how ranks that cannot work together end. Takes the tools
# from .build/release, which must be built with MPI (make build MPI=1), and needs mpirun.
#
#     check-ranks.sh [FOLDER]      the tools of another folder; MPIRUN names another mpirun
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$(cd "${1:-.build/release}" && pwd)
mpirun=${MPIRUN:-mpirun}
fail() { echo "check-ranks: $*" >&2; exit 1; }
command -v "$mpirun" >/dev/null || fail "no $mpirun; try: apt-get install openmpi-bin or mpich"
library=$("$tools/train-ar" --version | tail -n 1)
version=$("$mpirun" --version 2>&1)
case $version in
  *'Open MPI'* | *OpenRTE*) kind='Open MPI' options=(--oversubscribe --allow-run-as-root --bind-to none --mca mpi_yield_when_idle 1) ;;
  *HYDRA* | *mpich*) kind=MPICH options=(-bind-to none) ;;
  *) fail "$mpirun is neither Open MPI's nor MPICH's: $(head -n 1 <<<"$version")" ;;
esac
[[ $library == "$kind"* ]] || fail "$mpirun is of $kind, and the tools are built with: $library; try: make build MPI=1"
ranks() { "$mpirun" "${options[@]}" -n "$@"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
mkdir "$work/bin"
cp "$tools"/{train-tokenizer,train-ar,train-fine} "$work/bin"
cp "${TOOLS_WITHOUT_RANKS:-$tools}"/{tokenize,cluster-codebook} "$work/bin"
export PATH="$work/bin:$PATH"
[[ -d data/emoji ]] || pipelines/datasets/emoji.py data/emoji
for class in animals-nature flags food-drink; do
  mkdir -p "$work/images/$class"
  find "data/emoji/$class" -name '*.png' | LC_ALL=C sort | sed -n 1,12p | xargs cp -t "$work/images/$class"
done
cd "$work"
# Ranks on equal processors and with equal numbers of threads give equal bytes.
common=(--quiet --seed 1 --threads 1)
read -ra tokenizer <<<'train-tokenizer images --size 32 --channels 8 --multipliers 1,2,4 --codes 64 --batch-size 8'
"${tokenizer[@]}" --model CPU-4 --steps 5 "${common[@]}" --output tokenizer.zst
"${tokenizer[@]}" --model CPU-VAR-4 --steps 5 "${common[@]}" --output scales.zst
tokenize images --tokenizer tokenizer.zst "${common[@]}" --output plain.tokens.zst
tokenize images --tokenizer tokenizer.zst --views flip "${common[@]}" --output views.tokens.zst
tokenize images --tokenizer scales.zst "${common[@]}" --output scales.tokens.zst
cluster-codebook tokenizer.zst --clusters 8 "${common[@]}" --output coarse.zst

sizes='--layers 2 --heads 2 --width 32'
declare -A commands=(
  [train-ar]="train-ar plain.tokens.zst $sizes --cluster-size 8 --ema 0.99 --steps 50"
  [self-guided]="train-ar views.tokens.zst $sizes --self-guided --steps 50"
  [several-scales]="train-ar scales.tokens.zst --tokenizer scales.zst $sizes --steps 50"
  [train-fine]="train-fine plain.tokens.zst --mapping coarse.zst $sizes --gradient-accumulation 2 --steps 50"
  [train-tokenizer]="${tokenizer[*]} --model CPU-4 --autoencoder-steps 5 --dead-code-interval 5 --steps 50"
)
settings=(--batch-size 16 --leaves 8 --held-out 0.25 --evaluate-every 10 --checkpoint-every 5)

# The steps of a log, without the times of its summary.
steps() { grep '"step"' "$1"; }

# Kills one of the ranks that write to a file.
kill_one() {
  local process found=()
  for process in $(pgrep -f -- "--output $1"); do
    [[ $(cat "/proc/$process/comm" 2>/dev/null) == "$2" ]] && found+=("$process")
  done
  ((${#found[@]} == 4)) || return 1
  kill -9 "${found[RANDOM % 4]}"
}

for name in train-ar self-guided several-scales train-fine train-tokenizer; do
  read -ra command <<<"${commands[$name]}"
  command+=("${settings[@]}" "${common[@]}" --no-provenance)
  mkdir runs
  "${command[@]}" --log runs/1.jsonl --output runs/1.zst
  for count in 2 4 8; do
    ranks "$count" "${command[@]}" --log "runs/$count.jsonl" --output "runs/$count.zst" ||
      fail "$name: $count ranks end with $?"
    cmp runs/1.zst "runs/$count.zst" || fail "$name: $count ranks give other bytes than one"
    cmp <(steps runs/1.jsonl) <(steps "runs/$count.jsonl") || fail "$name: $count ranks log other values than one"
  done

  # One rank of four is killed as soon as there is a checkpoint.
  killed=(--resume --log runs/killed.jsonl --output runs/killed.zst)
  ranks 4 "${command[@]}" "${killed[@]}" 2>runs/errors & process=$!
  until [[ -e runs/killed.zst.checkpoint ]]; do sleep 0.02; done
  if kill_one runs/killed.zst "${command[0]}"; then
    start=$SECONDS status=0
    wait "$process" || status=$?
    ((status != 0)) || fail "$name: a killed rank is not noticed"
    ((SECONDS - start <= 10)) || fail "$name: the ranks end $((SECONDS - start)) s after one was killed"
    count=2
  else
    fail "$name: the run was over before a rank could be killed"
  fi
  ranks "$count" "${command[@]}" "${killed[@]}" || fail "$name: a run does not go on with $count ranks"
  cmp runs/1.zst runs/killed.zst || fail "$name: after a kill, $count ranks give other bytes"
  cmp <(steps runs/1.jsonl) <(steps runs/killed.jsonl) || fail "$name: after a kill, $count ranks log other values"
  left=$(find runs -name '*.checkpoint' -o -name '*.partial*')
  [[ -z $left ]] || fail "$name: left behind: $left"
  rm -r runs
  echo "check-ranks: $name: 1, 2, 4 and 8 ranks, and 2 after a kill -9 of one of 4, give equal bytes"
done

# expect STATUS WORDS COMMAND...: the run ends within 10 s with this status (any failure for 'some'), and says these words.
expect() {
  local status=0 start=$SECONDS
  "${@:3}" >output 2>errors </dev/null || status=$?
  ((SECONDS - start <= 10)) || fail "${*:3}: takes $((SECONDS - start)) s to end"
  case $1 in
    some) ((status != 0)) || fail "${*:3}: ends with 0" ;;
    *) ((status == $1)) || fail "${*:3}: ends with $status, not $1: $(cat errors)" ;;
  esac
  grep -q -- "$2" errors || fail "${*:3}: does not say '$2': $(cat errors)"
}
read -ra small <<<"plain.tokens.zst $sizes --batch-size 8 --steps 3 --output small.zst ${common[*]}"
expect 64 'power of two of ranks; found 3' ranks 3 train-ar "${small[@]}" --leaves 4
expect 64 'at least the number of ranks, 2' ranks 2 train-ar "${small[@]}"
expect 64 "found '-'" ranks 2 train-ar - "${small[@]:1}" --leaves 2
expect 64 'found one alone' env OMPI_COMM_WORLD_SIZE=2 train-ar "${small[@]}" --leaves 2
# One rank fails, and the other one would wait for it.
expect some 'rank 1 of 2: missing.zst' ranks 1 train-ar "${small[@]}" --leaves 2 : \
  -n 1 train-ar missing.zst "${small[@]:1}" --leaves 2
expect some 'found others on rank 1' ranks 1 train-ar "${small[@]}" --leaves 2 : \
  -n 1 train-ar "${small[@]}" --leaves 2 --seed 2
# One rank does another thing than the others, or does it for another file.
for other in --version --help; do
  expect some 'a run on rank 0, help or the version on rank 1' ranks 1 train-ar "${small[@]}" --leaves 2 : \
    -n 1 train-ar "$other"
done
for other in --estimate '--checkpoint other.zst'; do
  read -ra other <<<"$other"
  expect some 'found others on rank 1' ranks 1 train-ar "${small[@]}" --leaves 2 : \
    -n 1 train-ar "${small[@]}" --leaves 2 "${other[@]}"
done
expect some 'rank 1 of 2: .*--lambda' ranks 1 train-ar "${small[@]}" --leaves 2 : \
  -n 1 train-ar "${small[@]}" --leaves 2 --lambda 2
[[ ! -e small.zst ]] || fail "a run that was refused leaves a file"
echo "check-ranks: all is well with $library"
