#!/bin/bash
# Runs the tests of the kernels, of drawing and of the published models on processors that this machine may not have, which
# qemu-user emulates (Debian's qemu-user): Nehalem has no AVX (x86-64-v2), Haswell has AVX2 (x86-64-v3). An instruction that
# such a processor lacks ends a test with SIGILL. OpenBLAS and the loader choose their loops by the same processor.
set -euo pipefail
cd "$(dirname "$0")/.."
tests=${BIN:-.build/release}/tesseraPackageTests.xctest
filter='KernelTests|TokenDrawTests|GenerationTests|SpeculationTests|TransformerGoldenTests'

command -v qemu-x86_64 > /dev/null || { echo "check-processors: expected qemu-x86_64; try: apt-get install qemu-user" >&2; exit 1; }
[ -x "$tests" ] || { echo "check-processors: expected $tests; try: make test" >&2; exit 1; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for processor in Nehalem Haswell; do
  qemu-x86_64 -cpu "$processor" "${tests%/*}/show-file" --version | grep '^kernels'
  if ! qemu-x86_64 -cpu "$processor" "$tests" --testing-library swift-testing --filter "$filter" > "$log" 2>&1; then
    grep -v 'passed\|started' "$log" | tail -40 >&2
    echo "check-processors: $processor: tests failed" >&2
    exit 1
  fi
  echo "$processor: $(grep -o 'Test run with .* passed' "$log")"
done
