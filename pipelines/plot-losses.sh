#!/bin/bash
# plot-losses.sh LOG PICTURE: draws the losses of a log of train-ar or train-fine, in nats per token over steps: the token loss, and
# the cluster loss where the model has one.
set -euo pipefail
log=$1 picture=$2

if ! command -v gnuplot >/dev/null; then
  echo "no gnuplot: $picture is left out; install gnuplot-nox and run make again" >&2
  exit 0
fi

table=$(mktemp)
trap 'rm -f "$table" "$picture.partial"' EXIT
"${PYTHON:-python3}" "$(dirname "$0")/losses.py" "$log" >"$table"

# Columns without a value draw nothing, and gnuplot would complain of them.
curves=()
curve() { if awk -v column="$1" '$column != "-" { found = 1 } END { exit !found }' "$table"; then curves+=("\"$table\" using 1:$2"); fi; }
curve 2 '2 with lines lc rgb "#b0c4de" title "token loss, training batches"'
curve 3 '3 with linespoints lw 2 pt 7 ps 0.6 lc rgb "#c0392b" title "token loss, held-out images"'
curve 4 '4 with lines dt 2 lc rgb "#555555" title "unigram entropy of the tokens"'
curve 5 '5 with lines lc rgb "#b7dfc0" title "cluster loss, training batches"'
curve 6 '6 with linespoints lw 2 pt 5 ps 0.6 lc rgb "#1e8449" title "cluster loss, held-out images"'
plots=$(printf ', %s' "${curves[@]}")

gnuplot <<PLOT
set terminal pngcairo size 800,500 font "Sans,11"
set output "$picture.partial"
set xlabel "optimiser steps"
set ylabel "loss (nats per token)"
set grid
set key below maxrows 3
set datafile missing "-"
plot ${plots:2}
PLOT
mv "$picture.partial" "$picture"
