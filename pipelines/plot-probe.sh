#!/bin/bash
# plot-probe.sh PICTURE TABLE[=NAME]...: draws the accuracy of linear probes over the position, for all models of the
# tables of linear-probe, with their standard errors.
set -euo pipefail
if (($# < 2)); then
  sed -n 's/^# //p' "$0" >&2
  exit 64
fi
picture=$1

table=$(mktemp)
trap 'rm -f "$table" "$picture.partial"' EXIT
"${PYTHON:-python3}" "$(dirname "$0")/probe-table.py" "${@:2}" >"$table"

if ! command -v gnuplot >/dev/null; then
  echo "no gnuplot: $picture is left out; install gnuplot-nox and run this again" >&2
  exit 0
fi
gnuplot <<PLOT
set terminal pngcairo size 800,500 font "Sans,11"
set output "$picture.partial"
set xlabel "tokens seen"
set ylabel "top-1 accuracy of the probe (%)"
set grid
set key below
set style data yerrorlines
stats "$table" using 1 nooutput
plot for [i = 0:STATS_blocks - 2] "$table" index i using 1:2:3 lw 2 pt 7 ps 0.7 title columnheader(1)
PLOT
mv "$picture.partial" "$picture"
