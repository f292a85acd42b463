#!/bin/bash
# uninstall.sh PREFIX TOOL...: removes what install.sh installed.
set -euo pipefail
share=$1/share bin=$1/bin
shift

for tool in "$@"; do
  rm -f "$bin/$tool" "$share/bash-completion/completions/$tool" "$share/zsh/site-functions/_$tool" \
    "$share/fish/vendor_completions.d/$tool.fish" "$share/man/man1/$tool.1"
done
