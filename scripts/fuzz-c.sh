#!/bin/bash
# Fuzzes the C libraries, through our shims where there are such, by libFuzzer with AddressSanitizer and
# UndefinedBehaviorSanitizer; takes clang from the Swift toolchain.
#
#     fuzz-c.sh [SECONDS] [SEED] [TARGET...]      60 seconds for each of png, jpeg, zstd, archive, with seed 1
#
# What it finds goes to out/fuzz; it ends with 1 if there is anything.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
seed=${2:-1}
targets=("${@:3}")
((${#targets[@]})) || targets=(png jpeg zstd archive)
clang=$(dirname "$(readlink -f "$(command -v swiftc)")")/clang
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p out/fuzz

# The seeds of a target, into a folder.
seeds() {
  local files file number=0
  case $1 in
    png) files=(Tests/Fixtures/images/{bilevel,color-key,exif-6,grey-alpha,grey16,interlaced,palette,rgb16,rgba}.png) ;;
    jpeg) files=(Tests/Fixtures/images/{cmyk,exif-1,grey,photo,progressive,ycck}.jpg) ;;
    zstd) files=(Tests/Corpus/*.zst Tests/FuzzCorpus/tokens/*) ;;
    archive) files=(Tests/Fixtures/networks/*.{zip.pt,npz} Tests/Fixtures/metrics/*.npz Tests/FuzzCorpus/zip/*) ;;
  esac
  for file in "${files[@]}" Tests/FuzzCorpus/"$1"/*; do
    [[ ! -f $file ]] || cp "$file" "$2/$((number += 1))"
  done
}
codecs=(Sources/C/CImageCodecs/*.c -lpng -ljpeg)
found=0
for target in "${targets[@]}"; do
  case $target in
    png | jpeg) libraries=("${codecs[@]}") ;;
    *) libraries=("-l$target") ;;
  esac
  "$clang" -g -O1 -fuse-ld=lld -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
    -ISources/C/CImageCodecs/include Tests/FuzzC/"$target".c "${libraries[@]}" -o "$work/$target"
  mkdir -p "$work/$target-seeds" "$work/$target-grown"
  seeds "$target" "$work/$target-seeds"
  if "$work/$target" -seed="$seed" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
    -print_final_stats=1 -artifact_prefix="out/fuzz/$target-" "$work/$target-grown" "$work/$target-seeds" \
    2>"$work/$target.log"; then
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target.log") files, nothing found"
  else
    tail -40 "$work/$target.log" >&2
    found=1
  fi
done
exit $found
