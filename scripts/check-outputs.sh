#!/bin/bash
# Runs every tool where its output cannot go: on a full disk, into /dev/full, to a reader that has gone, with closed standard
# streams; and two runs at the same time with one target. The exit status must be the documented one, no signal may end a
# tool, a message must say what has happened, and nothing may be left behind. Takes the tools from .build/release and the
# inputs from Tests/FuzzCorpus/support.
#
#     check-outputs.sh [ROUNDS]      5 rounds of two runs at the same time
#
# Full disks are small file systems in memory, which only root can mount; otherwise they are left out with a message.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
rounds=${1:-5}
export PATH="$PWD/.build/release:$PATH"
work=$(mktemp -d)
disk=$work/disk
clean_up() {
  umount "$disk" 2>/dev/null
  rm -rf "$work"
}
trap clean_up EXIT
cp -r Tests/FuzzCorpus/support/. "$work"
mkdir "$disk"
cd "$work" || exit 1
failures=0 checks=0

small="--layers 1 --heads 1 --width 8 --feed-forward-multiple 8 --steps 3 --batch-size 2 --checkpoint-every 1"
autoencoder="--model CPU-4 --size 8 --channels 4 --multipliers 1,2 --groups 2 --z-channels 4 --codes 32 --code-dimension 4"
# Each command writes OUT; SECOND is a second product.
commands=(
  "train-tokenizer images $autoencoder --steps 3 --batch-size 2 --checkpoint-every 1 --output OUT"
  "tokenize images --tokenizer tokenizer.zst --output OUT"
  "detokenize tokens.zst --tokenizer tokenizer.zst --grid OUT"
  "detokenize tokens.zst --tokenizer tokenizer.zst --npz OUT"
  "detokenize tokens.zst --tokenizer tokenizer.zst --folder OUT"
  "rearrange-codebook tokenizer.zst --cluster-size 4 --mapping SECOND --output OUT"
  "cluster-codebook tokenizer.zst --clusters 4 --output OUT"
  "relabel-tokens tokens.zst --mapping mapping.zst --output OUT"
  "train-ar tokens.zst $small --output OUT"
  "train-fine tokens.zst --mapping coarse-mapping.zst $small --output OUT"
  "sample --model model.zst --count 4 --output OUT"
  "sample --model coarse.zst --fine fine.zst --count 4 --coarse-output SECOND --output OUT"
  "linear-probe tokens.zst --model model.zst --held-out 0.5 --epochs 1 --output OUT"
  "attention-maps tokens.zst --model model.zst --tokenizer tokenizer.zst --output OUT"
  "perturb-tokens tokens.zst --same-cluster coarse-mapping.zst --output OUT"
  "import-weights tokenizer.zst --as tokenizer --image-size 8 --groups 2 --output OUT"
  "export-tokens tokens.zst --labels SECOND --codes OUT"
  "export-tokens tokens.zst --folder OUT"
  "export-weights model.zst --config SECOND --output OUT"
  "score-tokens tokens.zst --model model.zst --logits OUT"
  "score-tokens tokens.zst --model model.zst --map OUT"
  "score-tokens tokens.zst --model model.zst --map-sheet OUT"
  "score-tokens tokens.zst --model model.zst --rank OUT"
  "eval-metrics --reference images --network pixels --size 8 --write-features OUT"
  "eval-metrics --reference images --network pixels --size 8 --write-statistics OUT"
)
# Their product is a text on standard output.
texts=(
  "show-file tokens.zst"
  "show-file model.zst --json"
  "score-tokens tokens.zst --model model.zst"
  "eval-metrics --reference images --samples images --allow-jpeg --network pixels --size 8 --metrics fid"
  "attention-maps tokens.zst --model model.zst --json"
)

# Whether two products, files or folders, are equal.
same() { diff -rq "$1" "$2" >/dev/null 2>&1; }

fault() {
  echo "check-outputs: $1: $2: $(head -c 300 messages 2>/dev/null)" >&2
  failures=$((failures + 1))
}

# Splits a command into the array `words`, with its places filled: fill COMMAND OUT SECOND SEED
fill() {
  local text=${1//OUT/$2}
  read -ra words <<<"${text//SECOND/$3}"
  if [[ ${words[0]} != show-file ]]; then words+=(--quiet --no-provenance --threads 1 --seed "$4"); fi
}

# Judges an end: judge COMMAND CASE STATUS "WANTED STATUSES" MESSAGE?
judge() {
  checks=$((checks + 1))
  [[ " $4 " == *" $3 "* ]] || fault "$1" "$2: exit status $3 where one of $4 is documented"
  if [[ $5 == message && $3 != 0 ]]; then
    [[ -s messages ]] || fault "$1" "$2: no message"
    (($(wc -c <messages) < 700)) || fault "$1" "$2: a message of $(wc -c <messages) bytes"
    ! grep -qE 'Fatal error|Swift\.|CodingKeys|Optional\(' messages || fault "$1" "$2: internals in the message"
  fi
}

# A training that was stopped by the full disk leaves its last whole checkpoint, from which it can go on.
continue_training() {
  rm "$disk/filler"
  mount -o remount,size=1m "$disk"
  "${words[@]}" --resume >/dev/null 2>messages || fault "$1" "it does not go on where there is room again"
  same "$disk/product" whole-1 || fault "$1" "continued after a full disk: other bytes"
  [[ $(ls -A "$disk") == product ]] || fault "$1" "continued after a full disk: left behind: $(ls -A "$disk")"
}

# full_disk COMMAND FREE_PAGES
full_disk() {
  mount -t tmpfs -o size=64k,nr_inodes=40 tessera-check "$disk" || return
  dd if=/dev/zero of="$disk/filler" bs=4096 count=$((16 - $2)) status=none
  fill "$1" "$disk/product" "$disk/second" 1
  "${words[@]}" >/dev/null 2>messages
  local status=$?
  local wanted=74
  # With some room a small product fits.
  (($2 == 0)) || wanted="0 74"
  judge "$1" "disk with $2 free pages" "$status" "$wanted" message
  local left
  left=$(ls -A "$disk")
  if ((status != 0)) && [[ $left == $'filler\nproduct.checkpoint' && $1 == train-* ]]; then
    continue_training "$1"
  elif ((status != 0)) && [[ $left != filler ]]; then
    fault "$1" "disk with $2 free pages: left behind: ${left//$'\n'/ }"
  fi
  umount "$disk"
}

# A descriptor whose reader has gone.
closed_reader() {
  rm -f pipe
  mkfifo pipe
  # shellcheck disable=SC2094 # opened for both, so that opening it for writing waits for nobody
  exec 8<>pipe 9>pipe 8<&-
  "${words[@]}" >&9 2>messages
  local status=$?
  exec 9>&-
  judge "$1" "reader that has gone" "$status" 141 none
  ! grep -qv warning: messages || fault "$1" "reader that has gone: words where there should be none"
}

to_standard_output() {
  fill "$1" - second 1
  "${words[@]}" >/dev/full 2>messages
  judge "$1" "/dev/full" $? 74 message
  closed_reader "$1"
  "${words[@]}" >&- 2>messages
  judge "$1" "closed standard output" $? "73 74" message
  [[ ! -e second ]] || fault "$1" "the second product is there without the first"
  rm -f second
}

closed_streams() {
  fill "$1" product second 1
  "${words[@]}" >&- 2>&- <&-
  judge "$1" "closed standard streams" $? 0 none
  same product whole-1 || fault "$1" "closed standard streams: other bytes"
  rm -rf product second
}

# Two runs with different seeds: the product is one of the two, and nothing else is there.
two_runs() {
  local round first second left
  for ((round = 0; round < rounds; round++)); do
    mkdir target
    fill "$1" target/product target/second 1
    "${words[@]}" >/dev/null 2>messages &
    local process=$!
    fill "$1" target/product target/second 2
    "${words[@]}" >/dev/null 2>messages-2
    second=$?
    wait $process
    first=$?
    judge "$1" "two runs, the first" $first "0 73 74" message
    mv messages-2 messages
    judge "$1" "two runs, the second" $second "0 73 74" message
    ((first == 0 || second == 0)) || fault "$1" "two runs: neither has finished"
    same target/product whole-1 || same target/product whole-2 || fault "$1" "two runs: the product is neither's"
    left=$(ls -A target)
    [[ $left == product || $left == $'product\nsecond' ]] || fault "$1" "two runs: left behind: ${left//$'\n'/ }"
    rm -r target
  done
}

can_mount=0
if mount -t tmpfs -o size=64k tessera-check "$disk" 2>/dev/null; then
  umount "$disk"
  can_mount=1
else
  echo "check-outputs: full disks are left out: only root can mount a file system" >&2
fi

for command in "${commands[@]}"; do
  for seed in 1 2; do
    fill "$command" whole-$seed second-$seed $seed
    "${words[@]}" >/dev/null 2>messages || { fault "$command" "it fails where nothing is wrong"; continue 2; }
  done
  ((!can_mount)) || for pages in 0 1 2 4; do full_disk "$command" $pages; done
  # These have a text on standard output beside their product, or a folder as product.
  [[ $command == score-tokens* || $command == *--write-* || $command == *--folder* ]] || to_standard_output "$command"
  [[ $command == score-tokens* ]] || closed_streams "$command"
  two_runs "$command"
  rm -rf whole-? second-?
done
for command in "${texts[@]}"; do
  fill "$command" - - 1
  "${words[@]}" >/dev/full 2>messages
  judge "$command" "/dev/full" $? 74 message
  closed_reader "$command"
  "${words[@]}" >&- 2>messages
  judge "$command" "closed standard output" $? "73 74" message
done
echo "$checks checks, $failures faults"
((failures == 0))
