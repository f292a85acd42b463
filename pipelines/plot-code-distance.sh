#!/bin/bash
# plot-code-distance.sh DISTANCES CLUSTERS PICTURE: draws two tables of tabulate.py: the error of decoded images over
# the distance of the codes, and over the size of the clusters that replacements come from.
set -euo pipefail
distances=$1 clusters=$2 picture=$3

if ! command -v gnuplot >/dev/null; then
  echo "no gnuplot: $picture is left out; install gnuplot-nox and run make again" >&2
  exit 0
fi

trap 'rm -f "$picture.partial"' EXIT
gnuplot <<PLOT
set terminal pngcairo size 1000,420 font "Sans,11"
set output "$picture.partial"
set multiplot layout 1,2
set datafile separator "\t"
set grid
set logscale x 2
set yrange [0:]
set ylabel "mean squared error, 0-255"
set key top left
set xlabel "d (the token itself at the left edge)"
plot "$distances" using (column("distance") == 0 ? 0.5 : column("distance")):(column("mse")) with linespoints pt 7 \
  lc rgb "#c0392b" title "d-th nearest code"
set xlabel "codes in the cluster (all codes at the right edge)"
plot "$clusters" using (column("cluster_size")):(column("mse")) with linespoints pt 7 lc rgb "#2c5f8a" \
  title "another code of the same cluster"
PLOT
mv "$picture.partial" "$picture"
