#!/bin/bash
# Installs what checks and documents use and a user does not need: clang-format, shellcheck, chromium, graphviz, mandoc,
# mypy, R, what packs (patchelf, debhelper, lintian, debootstrap, fakeroot) and packages of Python from Debian, ruff from
# Debian or by pip. As root or with a sudo that asks for no password; otherwise prints the commands that do it, and fails.
set -euo pipefail

# Package by program.
declare -A programs=([clang-format]=clang-format [shellcheck]=shellcheck [dot]=graphviz [chromium]=chromium
  [mypy]=mypy [mandoc]=mandoc [Rscript]=r-base-core [patchelf]=patchelf [dh]=debhelper [lintian]=lintian
  [debootstrap]=debootstrap [fakeroot]=fakeroot)
ruff='ruff>=0.9,<1'

say() { echo "deps-dev: $*" >&2; }
have() { command -v "$1" >/dev/null; }
listed() { apt-cache show "$1" >/dev/null 2>&1; }

as_root=()
may_install=1
if ((EUID == 0)); then
  as_root=(env DEBIAN_FRONTEND=noninteractive)
elif sudo -n true 2>/dev/null; then
  as_root=(sudo -n env DEBIAN_FRONTEND=noninteractive)
else
  may_install=0
fi

missing=()
for program in "${!programs[@]}"; do
  have "$program" || missing+=("${programs[$program]}")
done
# What python/ needs and its tests use. Either Python will do, the one on the path or Debian's, if it has all of it.
modules='import numpy, zstandard, matplotlib'
python3 -c "$modules" 2>/dev/null || /usr/bin/python3 -c "$modules" 2>/dev/null ||
  missing+=(python3-numpy python3-zstandard python3-matplotlib)
Rscript -e 'library(jsonlite)' >/dev/null 2>&1 || missing+=(r-cran-jsonlite)
if ((${#missing[@]})) && ! have apt-get; then
  say "this is no Debian: install ${missing[*]} with its own package manager"
  exit 1
fi
if ((${#missing[@]})); then
  if ((!may_install)); then
    say "packages are missing; install them with"
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  # Images of containers come without package lists.
  listed shellcheck || "${as_root[@]}" apt-get update -q
  say "installing ${missing[*]}"
  "${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

have ruff && exit 0
if ((may_install)) && listed ruff; then
  say "installing ruff"
  "${as_root[@]}" apt-get install -q -y --no-install-recommends ruff
  exit 0
fi
# Debian 12 has no package of ruff, and its pip refuses to write outside of a virtual environment.
folder=${RUFF_FOLDER:-$HOME/.local/share/tessera-ruff}
say "installing ruff by pip into $folder"
if ((may_install)) && ! python3 -c 'import ensurepip' 2>/dev/null; then
  "${as_root[@]}" apt-get install -q -y --no-install-recommends python3-venv
fi
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check "$ruff"
mkdir -p "$HOME/.local/bin"
ln -sf "$folder/bin/ruff" "$HOME/.local/bin/ruff"
have ruff || say "add $HOME/.local/bin to the PATH, so that 'make lint' finds ruff"
