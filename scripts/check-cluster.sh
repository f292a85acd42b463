#!/bin/bash
# Runs the batch scripts of pipelines/slurm, and a pipeline with RUN=srun, under a real Slurm, and compares what comes of four
# shards with one run. Trains on two ranks that srun starts, and compares them with one process; kills a rank and goes on. Starts
# munged, slurmctld and slurmd by hand, on this machine alone and in a temporary folder, and stops them whatever happens. Needs
# Debian's packages slurm-wlm and munge, and two processors; a Slurm that runs on this machine is left alone. Takes the tools from
# .build/release. The part with ranks needs training tools that are built with MPI (make build MPI=1), and is left out without them.
#
#     check-cluster.sh [FOLDER]      the training tools of another folder for the part with ranks
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "check-cluster: $*" >&2; exit 1; }
export PATH="$PWD/.build/release:$PATH:/usr/sbin:/sbin"
for program in munged slurmctld slurmd sbatch srun; do
  command -v "$program" >/dev/null || fail "no $program; try: apt-get install slurm-wlm munge"
done
[[ -x .build/release/tokenize ]] || fail "no tools; try: make build"
rank_tools=$(cd "${1:-.build/release}" && pwd)
[[ -x $rank_tools/train-ar ]] || fail "no train-ar in $rank_tools; try: make build MPI=1"

work=$(mktemp -d)
daemons=()
stop() {
  # Jobs end before the controller: a step that cannot report to it stays, and slurmd waits for the step.
  if [[ -n ${SLURM_CONF:-} ]]; then
    timeout 10 scancel --user="$(id -un)" 2>/dev/null || true
    for _ in $(seq 150); do if [[ -z $(timeout 10 squeue --noheader 2>/dev/null) ]]; then break; fi; sleep 0.2; done
  fi
  for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do kill "${daemons[i]}" 2>/dev/null || true; done
  for daemon in "${daemons[@]}"; do wait "$daemon" 2>/dev/null || true; done
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM HUP
show_logs() { tail -n 20 "$work"/*.log >&2; fail "$*"; }

# Clients look for munge's socket through this folder.
chmod 755 "$work"
mkdir -m 700 "$work/munge" "$work/state" "$work/spool"
chmod 755 "$work/munge"
(umask 077; head -c 128 /dev/urandom >"$work/munge.key")
node=$(hostname -s)
read -r controller_port daemon_port < <(shuf -i 20000-29999 -n 2 | tr '\n' ' '; echo)
# A job that is queued again waits until the credentials of its first start expire, which are 120 s by default.
# After kill -9 of one rank, the others wait for it within a step, where SIGTERM does not end them. SIGKILL does, KillWait seconds
# later; Slurm's default is 30.
kill_wait=5
cat >"$work/slurm.conf" <<CONF
ClusterName=check
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$controller_port
SlurmdPort=$daemon_port
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket,cred_expire=30
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SchedulerParameters=sched_interval=1
MinJobAge=600
KillWait=$kill_wait
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(awk '/^MemTotal/ { print int($2 / 1100) }' /proc/meminfo)
PartitionName=all Nodes=$node Default=YES State=UP
CONF
export SLURM_CONF="$work/slurm.conf"
daemon() { "$@" >"$work/$1.log" 2>&1 & daemons+=($!); }

daemon munged --foreground --force --key-file="$work/munge.key" --socket="$work/munge/socket" --pid-file="$work/munge/pid" \
  --log-file="$work/munge/log" --seed-file="$work/munge/seed"
waited() { for _ in $(seq 100); do if "$@" >/dev/null 2>&1; then return; fi; sleep 0.1; done; return 1; }
waited test -S "$work/munge/socket" || show_logs "munged does not start"
daemon slurmctld -D -i
waited scontrol ping || show_logs "slurmctld does not start"
daemon slurmd -D -N "$node"
is_idle() { [[ $(sinfo --noheader --format=%T) == idle ]]; }
waited is_idle || show_logs "slurmd does not start"

# A tokenizer and a model that have hardly learnt anything, and images of three classes.
[[ -d data/emoji ]] || pipelines/datasets/emoji.py data/emoji
for class in animals-nature flags food-drink; do
  mkdir -p "$work/images/$class"
  find "data/emoji/$class" -name '*.png' | LC_ALL=C sort | sed -n 1,12p | xargs cp -t "$work/images/$class"
done
train-tokenizer "$work/images" --size 32 --model CPU-4 --channels 8 --multipliers 1,2,4 --batch-size 8 --steps 5 --threads 1 \
  --quiet --output "$work/tokenizer.zst"
tokenize "$work/images" --tokenizer "$work/tokenizer.zst" --batch-size 4 --threads 1 --quiet --output "$work/images.zst"
train-ar "$work/images.zst" --model CPU-tiny --steps 5 --batch-size 4 --threads 1 --quiet --output "$work/model.zst"
sample --model "$work/model.zst" --per-class 5 --classes 2,0 --guidance 2 --threads 1 --quiet --output "$work/samples.zst"

export OUT="$work/out" DATA="$work/images" TOKENIZER="$work/tokenizer.zst" MODEL="$work/model.zst"
queue() { pipelines/slurm/submit.sh "$1" 4 --cpus-per-task=1 --mem=0 "${@:2}"; }
read -r tokens tokens_joined < <(OPTIONS='--batch-size 4' queue tokenize)
read -r samples samples_joined < <(OPTIONS='--per-class 5 --classes 2,0 --guidance 2' queue sample)
is_done() { [[ -z $(squeue --noheader --jobs="$1" --states=PENDING,CONFIGURING,RUNNING,COMPLETING 2>/dev/null) ]]; }
state() { scontrol show job "$1" 2>/dev/null | grep -o 'JobState=[A-Z]*' | sort | uniq -c | tr -s '\n ' ' '; }
for job in "$tokens_joined" "$samples_joined"; do
  for _ in $(seq 240); do if is_done "$job"; then break; fi; sleep 0.5; done
done
# One number per line, however they are cut into records.
values() { show-file --tensor "$2" "$1" | grep -v '^#' | tr -s ' ' '\n'; }
for name in images samples; do
  if [[ ! -s $OUT/$name.tokens.zst ]]; then
    cat "$OUT"/logs/*.out >&2 || true
    show_logs "$name: no whole file; array: $(state "$tokens") $(state "$samples")"
  fi
  [[ $(find "$OUT/shards" -name "$name-*-of-000004.zst" | wc -l) == 4 ]] || fail "$name: not four shards"
  for tensor in tokens labels; do
    cmp <(values "$OUT/$name.tokens.zst" $tensor) <(values "$work/$name.zst" $tensor) ||
      fail "$name: the $tensor of four shards are not those of one run"
  done
done

# A pipeline whose commands srun runs.
make --no-print-directory --jobs 4 -f pipelines/llamagen-baseline.mk DATA="$DATA" TOKENIZER="$TOKENIZER" OUT="$work/pipeline" \
  SHARED="$work/pipeline" IMAGE_OPTIONS='--batch-size 4' THREADS=1 SHARDS=4 RUN='srun --quiet -n1 -c1 --mem=0' \
  "$work/pipeline/images.tokens.zst" >"$work/pipeline.log" 2>&1 || show_logs "the pipeline fails under srun"
cmp <(values "$work/pipeline/images.tokens.zst" tokens) <(values "$work/images.zst" tokens) ||
  fail "the tokens of a pipeline under srun are not those of one run"

# A task that is queued again writes the same shard, and a whole without it is refused.
before=$(sha256sum <"$OUT/shards/samples-000002-of-000004.zst")
rm "$OUT/shards/samples-000002-of-000004.zst"
if OUT=$OUT NAME=samples SHARDS=4 bash pipelines/slurm/join.sbatch 2>"$work/join.log"; then fail "a missing shard is not noticed"; fi
grep -q 'samples-000002-of-000004.zst: No such file' "$work/join.log" || show_logs "a missing shard is not named"
[[ ! -e $OUT/samples.tokens.zst.partial ]] || fail "a join that fails leaves a partial file"
scontrol requeue "${samples}_2"
for _ in $(seq 240); do if [[ -s $OUT/shards/samples-000002-of-000004.zst ]]; then break; fi; sleep 0.5; done
[[ -s $OUT/shards/samples-000002-of-000004.zst ]] || show_logs "a requeued task writes no shard within 120 s"
[[ $(sha256sum <"$OUT/shards/samples-000002-of-000004.zst") == "$before" ]] || fail "a requeued task writes another shard"

# Two processes that MPI does not connect. Each would be a training of its own, and both would write the same file.
unset SLURM_MPI_TYPE
srun_options=(--quiet --mem=0 --cpus-per-task=1 --time=5)
settings=(--seed 1 --threads 1 --no-provenance --quiet)
sizes=(--layers 2 --heads 2 --width 32 --batch-size 8 --leaves 4 --steps 100)
train_ar=("$work/images.zst" "${sizes[@]}" "${settings[@]}" --checkpoint-every 5)
library() { "$1/train-ar" --version | tail -n 1; }
for folder in "$PWD/.build/release" "$rank_tools"; do
  case $(library "$folder") in
    'Open MPI'* | MPICH*) words='expected 2 connected processes' ;;
    *) words='found one without it' ;;
  esac
  status=0
  srun "${srun_options[@]}" --ntasks=2 "$folder/train-ar" "${train_ar[@]}" --output "$work/alone.zst" 2>"$work/alone.txt" || status=$?
  ((status == 64)) || fail "srun without --mpi ends with $status, not 64: $(cat "$work/alone.txt")"
  grep -q "$words" "$work/alone.txt" || fail "srun without --mpi does not say '$words': $(cat "$work/alone.txt")"
  [[ -z $(find "$work" -maxdepth 1 -name 'alone.zst*') ]] || fail "srun without --mpi leaves a file"
done

# The plugin of Slurm that connects the processes: Debian's Open MPI knows PMIx alone, and its MPICH PMI alone.
case $(library "$rank_tools") in
  'Open MPI'*) plugin=pmix ;;
  MPICH*) plugin=pmi2 ;;
  *) plugin='' ;;
esac
left_out=''
if [[ -z $plugin ]]; then
  left_out="the tools are built without MPI; try: make build MPI=1"
elif ! srun "${srun_options[@]}" --ntasks=1 --mpi=$plugin true 2>"$work/plugin.txt"; then
  # Also where srun --mpi=list names it: the plugin for PMIx opens libpmix.so, which Debian has in libpmix-dev.
  left_out="Slurm does not start its plugin $plugin; try: apt-get install slurm-wlm-basic-plugins libpmix-dev; $(cat "$work/plugin.txt")"
fi

ranks() { srun "${srun_options[@]}" --kill-on-bad-exit=1 --mpi=$plugin --ntasks="$1" "$rank_tools/$2" "${@:3}"; }
# same_bytes TOOL ARGUMENT...: trains in one process and on two ranks.
same_bytes() {
  "$rank_tools/$1" "${@:2}" --output "$work/$1-1.zst"
  ranks 2 "$@" --output "$work/$1-2.zst" || fail "$1: two ranks under srun end with $?"
  cmp "$work/$1-1.zst" "$work/$1-2.zst" || fail "$1: two ranks under srun give other bytes than one process"
}
check_ranks() {
  cluster-codebook "$work/tokenizer.zst" --clusters 8 --seed 1 --threads 1 --quiet --output "$work/coarse.zst"
  same_bytes train-ar "${train_ar[@]}"
  same_bytes train-fine "$work/images.zst" --mapping "$work/coarse.zst" "${sizes[@]}" "${settings[@]}"
  same_bytes train-tokenizer "$work/images" --size 32 --model CPU-4 --channels 8 --multipliers 1,2,4 --codes 64 --batch-size 8 \
    --leaves 4 --steps 5 "${settings[@]}"

  # One rank is killed as soon as there is a checkpoint, and a run of one rank goes on.
  local killed=("${train_ar[@]}" --resume --output "$work/killed.zst") process tasks start=0 status=0
  ranks 2 train-ar "${killed[@]}" 2>"$work/killed.txt" & process=$!
  until [[ -e $work/killed.zst.checkpoint ]]; do
    kill -0 "$process" 2>/dev/null || fail "the run was over before a rank could be killed: $(cat "$work/killed.txt")"
    sleep 0.02
  done
  mapfile -t tasks < <(pgrep -f "^[^ ]*/train-ar .*--output $work/killed.zst")
  ((${#tasks[@]} == 2)) || fail "expected two ranks; found ${#tasks[@]}"
  start=$SECONDS
  kill -9 "${tasks[RANDOM % 2]}"
  wait "$process" || status=$?
  took=$((SECONDS - start))
  ((status != 0)) || fail "a killed rank is not noticed"
  ((took <= kill_wait + 5)) || fail "the run ends $took s after a rank was killed"
  [[ -z $(pgrep -f "^[^ ]*/train-ar .*--output $work/killed.zst") ]] || fail "a rank is left behind after another was killed"
  [[ ! -e $work/killed.zst ]] || fail "a run whose rank was killed leaves a model"
  ranks 1 train-ar "${killed[@]}" || fail "a run does not go on with one rank"
  cmp "$work/train-ar-1.zst" "$work/killed.zst" || fail "after a kill, one rank under srun gives other bytes"
  [[ ! -e $work/killed.zst.checkpoint ]] || fail "a checkpoint is left behind"
}
version=$(scontrol --version)
echo "check-cluster: $version: arrays of four tasks and a pipeline under srun give what one run gives"
if [[ -n $left_out ]]; then
  echo "check-cluster: LEFT OUT, and so not tested: training on ranks under srun; $left_out"
else
  check_ranks
  echo "check-cluster: $version: two ranks under srun --mpi=$plugin give the bytes of one process ($(library "$rank_tools")); a run whose" \
    "rank was killed ends in $took s (KillWait is $kill_wait s) and goes on with one rank"
fi
