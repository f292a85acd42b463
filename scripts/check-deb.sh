#!/bin/bash
# check-deb.sh [PACKAGE]: does the Debian package (out/dist/tessera_*.deb) work where there is no compiler? Lintian looks at it; then
# a fresh Debian 12 is made in a temporary folder by debootstrap, the package is installed there by apt, every tool runs, and the
# quick start runs in small, or in full with STEPS=full. Prints the seconds from the start of the installation to the first
# picture. Needs root, debootstrap, lintian, and a mirror of Debian (MIRROR=http://deb.debian.org/debian).
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "check-deb: $*" >&2; exit 1; }
packages=(out/dist/tessera_*.deb)
package=${1:-${packages[-1]}}
[[ -e $package ]] || fail "no package; 'make deb' builds it"
((EUID == 0)) || fail "debootstrap and chroot need root"
for program in debootstrap lintian; do
  command -v $program >/dev/null || fail "no $program; 'make deps-dev' installs it"
done
lintian --fail-on error,warning "$package" || fail "lintian has something to say"

root=$(mktemp -d)
clean_up() {
  umount "$root/proc" 2>/dev/null || true
  rm -rf "$root"
}
trap clean_up EXIT
debootstrap --variant=minbase bookworm "$root" "${MIRROR:-http://deb.debian.org/debian}" >"$root.log" 2>&1 || {
  tail -5 "$root.log" >&2
  fail "debootstrap ended with an error"
}
rm "$root.log"
# What tells apt of this machine how to reach its mirrors holds there too.
cp /etc/resolv.conf "$root/etc/" 2>/dev/null || true
cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
mount -t proc proc "$root/proc"
cp "$package" "$root/tmp/"

small=(TOKENIZER_STEPS=20 MODEL_STEPS=20 PER_CLASS=2)
[[ ${STEPS:-} == full ]] && small=()
start=$SECONDS
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
inside apt-get update -q
inside apt-get install -q -y "/tmp/$(basename "$package")"
inside sh -c '! command -v cc && ! command -v swift' || fail "there is a compiler in the fresh system"
for tool in $(cd Tests/Snapshots && printf '%s\n' *.txt | sed 's/\.txt$//'); do
  inside "$tool" --version >/dev/null || fail "$tool does not run"
done
inside mkdir /work
inside make -C /work -f /usr/share/tessera/pipelines/quickstart.mk TOOLS=/usr/bin "${small[@]}"
[[ -s $root/work/out/quickstart/samples.png ]] || fail "no picture"
echo "check-deb: all is well; $((SECONDS - start)) s from the installation to the picture of the quick start"
