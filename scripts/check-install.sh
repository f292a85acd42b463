#!/bin/bash
# Installs the built tools into a temporary folder and checks what is there: every tool runs, the completions have the
# shells' syntax, the manual pages please mandoc's linter and name every option, and uninstalling leaves no file.
# Takes the tools from .build/release. A shell that is missing is left out with a word; mandoc must be there.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "check-install: $*" >&2; exit 1; }
command -v mandoc >/dev/null || fail "no mandoc; 'make deps-dev' installs it"

mapfile -t tools < <(cd Tests/Snapshots && printf '%s\n' *.txt | sed 's/\.txt$//')
scripts/install.sh "$work" .build/release "${tools[@]}"
share=$work/share
for tool in "${tools[@]}"; do
  "$work/bin/$tool" --version >/dev/null || fail "$tool does not run"
  page=$share/man/man1/$tool.1
  mandoc -T lint -W style "$page" || fail "$tool: mandoc has something to say of its page"
  shown=$(mandoc -T ascii "$page" | sed 's/.\x08//g')
  while read -r option; do
    grep -qE -- "(^|[^a-z0-9-])$option([^a-z0-9-]|$)" <<<"$shown" || fail "$tool: no $option on its page"
  done < <(grep -oE -- '^  (-[a-z], )?--[a-z0-9-]+' "Tests/Snapshots/$tool.txt" | grep -oE -- '--[a-z0-9-]+')
  bash -n "$share/bash-completion/completions/$tool" || fail "$tool: completions for bash"
  if command -v zsh >/dev/null; then zsh -n "$share/zsh/site-functions/_$tool" || fail "$tool: completions for zsh"; fi
  if command -v fish >/dev/null; then
    fish -n "$share/fish/vendor_completions.d/$tool.fish" || fail "$tool: completions for fish"
  fi
done
for shell in zsh fish; do
  command -v $shell >/dev/null || echo "check-install: no $shell, so its completions are not checked" >&2
done

# A file name must complete, as an argument and as the value of an option.
completed() {
  bash -c 'cd "$1" && source "share/bash-completion/completions/$2" && COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2)) &&
    COMP_LINE="${*:2}" && COMP_POINT=${#COMP_LINE} && "_$2" "$2" "${*: -1}" "${*: -2:1}" && echo "${COMPREPLY[*]}"' \
    bash "$work" "$@"
}
touch "$work/model.tensors.zst"
[[ $(completed show-file mod) == model.tensors.zst ]] || fail "show-file completes no file name"
[[ $(completed sample --model mod) == model.tensors.zst ]] || fail "sample --model completes no file name"
rm "$work/model.tensors.zst"

scripts/uninstall.sh "$work" "${tools[@]}"
left=$(find "$work" -type f)
[[ -z $left ]] || fail "left behind: $left"
echo "check-install: all is well"
