#!/bin/bash
# install.sh PREFIX FOLDER TOOL...: installs built tools, their shell completions and their manual pages.
set -euo pipefail
prefix=$1 folder=$2
shift 2

bash=$prefix/share/bash-completion/completions
zsh=$prefix/share/zsh/site-functions
fish=$prefix/share/fish/vendor_completions.d
man=$prefix/share/man/man1
install -d "$prefix/bin" "$bash" "$zsh" "$fish" "$man"
for tool in "$@"; do
  install -m755 "$folder/$tool" "$prefix/bin/$tool"
  "$folder/$tool" --generate-completion-script bash | sed '1{/^#!/d}' >"$bash/$tool"
  "$folder/$tool" --generate-completion-script zsh >"$zsh/_$tool"
  "$folder/$tool" --generate-completion-script fish >"$fish/$tool.fish"
  "$(dirname "$0")/man-page.py" "$folder/$tool" >"$man/$tool.1"
done
echo "installed $# tools in $prefix/bin"
