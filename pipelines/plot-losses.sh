#!/bin/bash
# plot-losses.sh LOG PICTURE: draws the losses of a log of train-ar, in nats a token over steps.
set -euo pipefail
log=$1 picture=$2

if ! command -v gnuplot >/dev/null; then
  echo "no gnuplot: $picture is left out; install gnuplot-nox and run make again" >&2
  exit 0
fi

table=$(mktemp)
trap 'rm -f "$table" "$picture.partial"' EXIT
"${PYTHON:-python3}" "$(dirname "$0")/losses.py" "$log" >"$table"
gnuplot <<PLOT
set terminal pngcairo size 800,500 font "Sans,11"
set output "$picture.partial"
set xlabel "optimiser steps"
set ylabel "loss (nats a token)"
set grid
set key top right
set datafile missing "-"
plot "$table" using 1:2 with lines lc rgb "#b0c4de" title "training batches", \
  "$table" using 1:3 with linespoints lw 2 pt 7 ps 0.6 lc rgb "#c0392b" title "held-out images", \
  "$table" using 1:4 with lines dt 2 lc rgb "#555555" title "unigram entropy of the tokens"
PLOT
mv "$picture.partial" "$picture"
