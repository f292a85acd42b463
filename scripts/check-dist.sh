#!/bin/bash
# Does the archive of `make dist` run where no Swift is? Unpacks it into a temporary folder, hides the folder of Swift's runtime from
# the tools in a name space of their own, and runs every tool and a small pipe. Sizes: at most 60 MB packed and 150 MB unpacked.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "check-dist: $*" >&2; exit 1; }
archives=(out/dist/tessera-*.tar.xz)
archive=${1:-${archives[-1]}}
[[ -e $archive ]] || fail "no archive; 'make dist' builds it"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -C "$work" -xf "$archive"
folder=$(echo "$work"/tessera-*)
packed=$(stat -c %s "$archive") unpacked=$(du -sb "$folder" | cut -f1)
((packed <= 60000000)) || fail "$packed bytes packed, more than 60 MB"
((unpacked <= 150000000)) || fail "$unpacked bytes unpacked, more than 150 MB"

mapfile -t tools < <(cd Tests/Snapshots && printf '%s\n' *.txt | sed 's/\.txt$//')
if command -v swift >/dev/null; then
  # The libraries must come from the archive alone.
  runtime=$(dirname "$(dirname "$(readlink -f "$(command -v swift)")")")
  for tool in "${tools[@]}"; do
    libraries=$(ldd "$folder/bin/$tool")
    [[ $libraries != *"$runtime"* ]] || fail "$tool takes libraries from $runtime"
    [[ $libraries != *'not found'* ]] || fail "$tool lacks libraries: $(grep 'not found' <<<"$libraries")"
  done
fi
for tool in "${tools[@]}"; do
  "$folder/bin/$tool" --version >/dev/null || fail "$tool does not run"
  [[ -s $folder/share/man/man1/$tool.1 ]] || fail "no page of $tool"
done
support=Tests/FuzzCorpus/support
"$folder/bin/sample" --model $support/model.zst --count 4 --quiet |
  "$folder/bin/detokenize" - --tokenizer $support/tokenizer.zst --grid "$work/grid.png" --quiet || fail "a pipe does not run"
[[ -s $work/grid.png ]] || fail "no picture"
echo "check-dist: all is well; $packed bytes packed, $unpacked unpacked, ${#tools[@]} tools"
