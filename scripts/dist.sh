#!/bin/bash
# dist.sh [FOLDER]: packs the built tools into FOLDER/tessera-VERSION-linux-MACHINE.tar.xz, an archive that runs without Swift:
# unpack it anywhere and call bin/TOOL. The libraries of Swift's runtime lie beside the tools in lib/tessera; those of the system
# (OpenBLAS, oneDNN, zstd, libarchive, OpenSSL, libjpeg, libpng) are Debian's, and its README names their packages.
#
#     dist.sh --install ROOT      fills ROOT/usr in the same way, for a package
set -euo pipefail
cd "$(dirname "$0")/.."
tools=.build/release
command -v patchelf >/dev/null || { echo "dist: no patchelf; 'make deps-dev' installs it" >&2; exit 1; }

mapfile -t names < <(cd Tests/Snapshots && printf '%s\n' *.txt | sed 's/\.txt$//')
version=$("$tools/show-file" --version | sed -n 's/^show-file (Tessera) //p')

# The libraries that a program needs and that lie in the folder of Swift's runtime.
runtime() { ldd "$1" | awk '{ print $3 }' | grep -E '/swift/linux/[^/]+\.so' || true; }

# fill PREFIX: tools, runtime, completions, manual pages.
fill() {
  local prefix=$1 name library
  scripts/install.sh "$prefix" "$tools" "${names[@]}" >&2
  install -d "$prefix/lib/tessera"
  for name in "${names[@]}"; do
    for library in $(runtime "$tools/$name"); do
      [[ -e $prefix/lib/tessera/${library##*/} ]] || install -m644 "$library" "$prefix/lib/tessera"
    done
  done
  for name in "${names[@]}"; do
    strip "$prefix/bin/$name"
    patchelf --set-rpath "\$ORIGIN/../lib/tessera" "$prefix/bin/$name"
  done
  for library in "$prefix"/lib/tessera/*.so; do
    strip --strip-unneeded "$library"
    patchelf --set-rpath "\$ORIGIN" "$library"
  done
}

if [[ ${1:-} == --install ]]; then
  fill "$2/usr"
  exit
fi

# Debian's packages of the system's libraries that the tools load.
packages() {
  local library
  for library in $(for name in "${names[@]}"; do ldd "$tools/$name" | awk '/\/swift\/linux\// { next } $3 { print $3 }'; done | sort -u); do
    dpkg-query -S "$(readlink -f "$library")" "$library" 2>/dev/null | head -1 | cut -d: -f1
  done | sort -u | tr '\n' ' '
}

output=${1:-out/dist}
title=tessera-$version-linux-$(uname -m)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fill "$work/$title"
cp LICENSE NOTICE "$work/$title"
install -d "$work/$title/share/doc/tessera" "$work/$title/share/tessera"
cp README.md docs/*.md "$work/$title/share/doc/tessera"
cp -r pipelines "$work/$title/share/tessera"
rm -r "$work/$title/share/tessera/pipelines/tests"
find "$work/$title" -name __pycache__ -prune -exec rm -r {} +
cat >"$work/$title/README" <<TEXT
Tessera $version: tools that train, sample and judge autoregressive image generators over vector-quantised tokens.

Call bin/TOOL; bin/TOOL --help says what it does, and share/doc/tessera has the documents. No Swift is needed. The tools load
these packages of Debian 12, of which most systems have the greater part:

  apt-get install --no-install-recommends $(packages)
TEXT
mkdir -p "$output"
tar -C "$work" --owner=0 --group=0 --sort=name -c "$title" | xz -T0 -6 >"$output/$title.tar.xz.partial"
mv "$output/$title.tar.xz.partial" "$output/$title.tar.xz"
echo "$output/$title.tar.xz: $(stat -c %s "$output/$title.tar.xz") bytes, $(du -sb "$work/$title" | cut -f1) unpacked"
