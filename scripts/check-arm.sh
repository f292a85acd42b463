#!/bin/bash
# Runs every kernel of CKernels against the same source without vectors (Tests/KernelsC): on this machine, and compiled for
# 64-bit ARM on processors that qemu-user emulates. All of them have NEON; Neoverse N1 (Graviton 2) and "max" have dot
# products of bytes too, Cortex-A57 has not, and an instruction that it lacks ends the run. Needs no build of the tools.
set -euo pipefail
cd "$(dirname "$0")/.."

expect() { # program, packages of Debian
  command -v "$1" > /dev/null || { echo "check-arm: expected $1; try: apt-get install $2" >&2; exit 1; }
}
command -v swiftc > /dev/null || { echo "check-arm: expected swiftc, whose clang compiles the kernels" >&2; exit 1; }
expect aarch64-linux-gnu-gcc "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
[[ -e /usr/aarch64-linux-gnu/include/math.h ]] ||
  { echo "check-arm: expected headers for aarch64; try: apt-get install libc6-dev-arm64-cross" >&2; exit 1; }
expect qemu-aarch64 qemu-user
clang=$(dirname "$(readlink -f "$(command -v swiftc)")")/clang
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The kernels by the headers, without what asks about the processor, and their names in the version without vectors.
sed -s "/MARK: processor.c/,\$d" Sources/C/CKernels/include/*.h |
  sed -n 's/^[a-z].*[ *]\(tsr_[a-z0-9_]*\)(.*/KERNEL(\1)/p' | sort -u > "$work/kernels.inc"
sed 's/KERNEL(\(.*\))/#define \1 plain_\1/' "$work/kernels.inc" > "$work/plain.h"

# TSR_SANITIZED leaves one version of each loop, for the least processor.
build() { # folder, flags of the target
  local folder=$work/$1 flags=("${@:2}" -Wall -Wextra -Werror -I"$root/Sources/C/CKernels" -I"$root/Sources/C/CKernels/include")
  mkdir -p "$folder"/{kernels,plain,checks}
  (cd "$folder/kernels" && "$clang" "${flags[@]}" -O2 -c "$root"/Sources/C/CKernels/*.c "$root"/Sources/C/CKernels/*/*.c)
  (cd "$folder/plain" && "$clang" "${flags[@]}" -O1 -fno-vectorize -fno-slp-vectorize -ffp-contract=off -DTSR_SANITIZED=1 \
    -include "$work/plain.h" -c "$root"/Sources/C/CKernels/*/*.c)
  (cd "$folder/checks" && "$clang" "${flags[@]}" -O1 -I"$work" -c "$root"/Tests/KernelsC/*.c)
}

run() { # what the kernels must be for (empty: anything), command
  local line
  line=$("${@:2}") || { echo "check-arm: ${*:2} failed: $line" >&2; exit 1; }
  [[ -z $1 || $line == "$1: "* ]] || { echo "check-arm: expected kernels for $1, found $line" >&2; exit 1; }
  echo "$line"
}

build native
"$clang" "$work"/native/*/*.o -lm -o "$work/native/check"
run "" "$work/native/check"

build arm --target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include
aarch64-linux-gnu-gcc -static "$work"/arm/*/*.o -lm -o "$work/arm/check"
run "aarch64 with NEON and dot products" qemu-aarch64 -cpu max "$work/arm/check"
run "aarch64 with NEON and dot products" qemu-aarch64 -cpu neoverse-n1 "$work/arm/check"
run "aarch64 with NEON" qemu-aarch64 -cpu cortex-a57 "$work/arm/check"
