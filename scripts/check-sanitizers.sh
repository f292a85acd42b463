#!/bin/bash
# Runs the tests of what works with raw pointers and threads under AddressSanitizer with UndefinedBehaviorSanitizer for C,
# and those of the threads, with `sample` on four of them, under ThreadSanitizer. Each has a build folder of its own.
#
#     check-sanitizers.sh [address] [thread]      both where neither is named
set -euo pipefail
cd "$(dirname "$0")/.."

rooms='TensorCoreTests|AutogradTests|NeuralNetTests|CodebooksTests|ImagesTests|StreamFormatTests|ForeignFilesTests'
# Tests that measure the memory of the process mean nothing under a sanitizer.
skipped='MemoryTests|Measurement'
build=(-c release -Xswiftc -enable-testing)

address() {
  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1 swift test "${build[@]}" --scratch-path .build-address \
    --sanitize=address -Xcc -fsanitize=undefined -Xcc -fno-sanitize-recover=undefined -Xlinker -lubsan \
    --filter "^($rooms)\\." --skip "$skipped"
}

thread() {
  TSAN_OPTIONS=halt_on_error=1 swift test "${build[@]}" --scratch-path .build-thread --sanitize=thread \
    --filter 'ThreadPoolTests|ThreadCountTests|InterruptionTests|ProgressTests|GenerationTests|FineModelTests' --skip "$skipped"
}

for part in "${@:-address thread}"; do
  for name in $part; do
    echo "== $name sanitizer"
    "$name"
  done
done
