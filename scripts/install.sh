#!/bin/bash
# install.sh PREFIX FOLDER TOOL...: installs built tools and their shell completions.
set -euo pipefail
prefix=$1 folder=$2
shift 2

bash=$prefix/share/bash-completion/completions
zsh=$prefix/share/zsh/site-functions
fish=$prefix/share/fish/vendor_completions.d
install -d "$prefix/bin" "$bash" "$zsh" "$fish"
for tool in "$@"; do
  install -m755 "$folder/$tool" "$prefix/bin/$tool"
  "$folder/$tool" --generate-completion-script bash >"$bash/$tool"
  "$folder/$tool" --generate-completion-script zsh >"$zsh/_$tool"
  "$folder/$tool" --generate-completion-script fish >"$fish/$tool.fish"
done
echo "installed ${#} tools in $prefix/bin"
