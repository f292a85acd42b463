#!/bin/bash
# Runs the tests of what works with raw pointers under AddressSanitizer, with UndefinedBehaviorSanitizer for C, and those of
# what works on several threads, with `sample` on four of them, under ThreadSanitizer. Each has a build folder of its own.
#
#     check-sanitizers.sh [address] [thread]      both where neither is named
set -euo pipefail
cd "$(dirname "$0")/.."

build=(-c release -Xswiftc -enable-testing)
# Tests that measure or limit the memory of the process mean nothing under a sanitizer, which reserves terabytes of addresses.
measuring='MemoryTests|Measurement|whatTheSystemDoesNotStartIsLeftOut|threadsThatTheSystemDoesNotStartAreRefused'

address() {
  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1 swift test "${build[@]}" --scratch-path .build-address \
    --sanitize=address -Xcc -fsanitize=undefined -Xcc -fno-sanitize-recover=undefined -Xlinker -lubsan \
    --filter '^(TensorCore|Autograd|NeuralNet|Codebooks|Images|StreamFormat|ForeignFiles)Tests\.' --skip "$measuring"
}

# Swift's Mutex is in a library that is not built for ThreadSanitizer, which therefore does not see its order: the tests
# that gather their findings under a Mutex are left out here.
mutexes='rangesCoverTheWholeOnce|theCutIsTheSameEveryTime|everyThreadRunsTheBodyOnce'

thread() {
  export TSAN_OPTIONS='halt_on_error=0 exitcode=66'
  swift test "${build[@]}" --scratch-path .build-thread --sanitize=thread --skip "$measuring|$mutexes" \
    --filter 'ThreadPoolTests|ThreadCountTests|ReadAheadTests|GenerationTests|FineModelTests|SamplingPrecisionTests'
  sampling
}

# A model of a few steps on noise, sampled on four threads.
sampling() {
  local tools work
  tools=$PWD/$(swift build "${build[@]}" --scratch-path .build-thread --sanitize=thread --show-bin-path |
    sed "s|^$PWD/||")
  work=$(mktemp -d)
  mkdir -p "$work/images/one"
  cp Tests/Fixtures/images/*.png "$work/images/one"
  (
    cd "$work"
    export PATH="$tools:$PATH"
    train-tokenizer images --model CPU-4 --size 16 --channels 8 --codes 16 --steps 2 --batch-size 2 --allow-upscale \
      --skip-unreadable --held-out 0 --quiet --threads 1 --output tokenizer.zst
    tokenize images --tokenizer tokenizer.zst --allow-upscale --skip-unreadable --quiet --threads 1 --output tokens.zst
    train-ar tokens.zst --model CPU-tiny --steps 2 --batch-size 2 --held-out 0 --quiet --threads 4 --output model.zst
    sample --model model.zst --count 6 --guidance 2 --threads 4 --quiet --output samples.zst
  )
  rm -r "$work"
}

for name in "${@:-address}"; do "$name"; done
(($#)) || thread
echo "check-sanitizers: nothing found"
