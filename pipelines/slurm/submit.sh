#!/bin/bash
# Queues an array job and, to run after all its tasks have ended well, the job that joins their shards. Prints the numbers of
# both jobs.
#
#   DATA=data/imagenet TOKENIZER=vq-16.tensors.zst OUT=/shared/out pipelines/slurm/submit.sh tokenize 64 [OPTION OF SBATCH...]
#   MODEL=model.tensors.zst OUT=/shared/out OPTIONS='--count 50000' pipelines/slurm/submit.sh sample 64 --cpus-per-task=16
#
# What to change: nothing here; the two batch scripts say what they need. The options of sbatch are those of the array job.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
case ${1:-} in
  tokenize) NAME=images ;;
  sample) NAME=samples ;;
  *) echo "submit.sh: expected tokenize or sample, and a number of shards; found '$*'" >&2; exit 64 ;;
esac
SHARDS=${2:?give the number of shards}
[[ $SHARDS =~ ^[1-9][0-9]*$ ]] || { echo "submit.sh: expected a number of shards, as 64; found '$SHARDS'" >&2; exit 64; }
export NAME SHARDS
mkdir -p "${OUT:?give the folder of the results}/logs"
array=$(sbatch --parsable --array="1-$SHARDS" --output="$OUT/logs/%x-%A-%a.out" "${@:3}" "$here/$1.sbatch")
join=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes --output="$OUT/logs/%x-%j.out" \
  "$here/join.sbatch")
echo "$array $join"
