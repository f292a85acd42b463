#!/bin/bash
# Do the container and the recipes in packaging/, and the Debian package, name every library that scripts/deps.sh installs, and the
# version of the tools?
set -euo pipefail
cd "$(dirname "$0")/.."
failures=0
fail() { echo "check-recipes: $*" >&2; failures=$((failures + 1)); }

libraries=$(sed -n 's/^libraries=(\(.*\))$/\1/p' scripts/deps.sh)" libdnnl-dev"
# The name of a Debian package without what Debian adds, as Homebrew and conda-forge call the library.
declare -A elsewhere=([libopenblas-dev]=openblas [libzstd-dev]=zstd [libarchive-dev]=libarchive [libssl-dev]=openssl
  [libjpeg62-turbo-dev]='jpeg-turbo' [libpng-dev]=libpng [libdnnl-dev]=onednn)
for library in $libraries; do
  for file in packaging/Containerfile debian/control; do
    grep -qw -- "$library" "$file" || fail "$file: no $library, which scripts/deps.sh installs"
  done
  name=${elsewhere[$library]:-}
  [[ -n $name ]] || { fail "no name of $library elsewhere: add it to this script"; continue; }
  for file in packaging/homebrew/tessera.rb packaging/conda/meta.yaml; do
    grep -q -- "$name" "$file" || fail "$file: no $name, for $library"
  done
done

version=$(sed -n 's/.*toolVersion = "\(.*\)"/\1/p' Sources/CommandLine/ToolRuntime/ToolVersion.swift)
grep -q "^tessera ($version)" debian/changelog || fail "debian/changelog: not of version $version"
grep -q "version: $version$" packaging/conda/meta.yaml || fail "packaging/conda/meta.yaml: not of version $version"
grep -q "/v$version.tar.gz" packaging/homebrew/tessera.rb || fail "packaging/homebrew/tessera.rb: not of version $version"
((failures == 0)) || exit 1
echo "check-recipes: all is well"
