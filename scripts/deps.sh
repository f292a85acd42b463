#!/bin/bash
# Installs the Debian packages that are missing, as root or with a sudo that asks for no password; otherwise
# prints the one command that does, and fails. ONEDNN=0 leaves oneDNN out, which is optional. MPI=1 adds
# Open MPI, for training on several machines, unless there is an MPI.
set -euo pipefail

libraries=(libopenblas-dev libzstd-dev libarchive-dev libssl-dev libjpeg62-turbo-dev libpng-dev)
data=(ca-certificates fonts-noto-color-emoji unicode-data)
# Package by program: any program of the name will do, wherever it came from.
declare -A programs=([git]=git [make]=make [zstd]=zstd [pkg-config]=pkg-config [gnuplot]=gnuplot-nox [python3]=python3)
[[ ${ONEDNN:-1} == 0 ]] || libraries+=(libdnnl-dev)

if [[ ${MPI:-auto} == 1 && ! -e /usr/include/mpi.h ]] && ! compgen -G '/usr/include/*/mpi/mpi.h' >/dev/null; then
  libraries+=(libopenmpi-dev openmpi-bin)
fi

say() { echo "deps: $*" >&2; }
installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }
listed() { apt-cache show "$1" >/dev/null 2>&1; }

without_unlisted_oneDNN() {
  local package kept=()
  for package in "${missing[@]}"; do
    if [[ $package == libdnnl-dev ]] && listed libzstd-dev && ! listed libdnnl-dev; then
      say "no package libdnnl-dev for this machine: building without oneDNN"
    else
      kept+=("$package")
    fi
  done
  missing=("${kept[@]}")
}

if ! command -v swift >/dev/null; then
  say "no swift on the PATH: get Swift 6.1 or later from https://www.swift.org/install/linux/"
  exit 1
fi
if ! command -v dpkg-query >/dev/null; then
  say "this is no Debian: have at hand what these packages hold: ${libraries[*]} ${data[*]} ${programs[*]}"
  exit 0
fi

missing=()
for package in "${libraries[@]}" "${data[@]}"; do
  installed "$package" || missing+=("$package")
done
for program in "${!programs[@]}"; do
  command -v "$program" >/dev/null || missing+=("${programs[$program]}")
done
without_unlisted_oneDNN
((${#missing[@]})) || exit 0

if ((EUID == 0)); then
  as_root=(env DEBIAN_FRONTEND=noninteractive)
elif sudo -n true 2>/dev/null; then
  as_root=(sudo -n env DEBIAN_FRONTEND=noninteractive)
else
  say "packages are missing; install them with"
  echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
# Images of containers come without package lists.
if ! listed libzstd-dev; then
  "${as_root[@]}" apt-get update -q
  without_unlisted_oneDNN
  ((${#missing[@]})) || exit 0
fi
say "installing ${missing[*]}"
"${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"
