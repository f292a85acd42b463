# draw-labels.awk -v count=N: N labels, a line each, in the shares that the labels on standard input have, from
# `show-file --tensor labels`. Steps of the golden ratio through the sorted labels spread the classes evenly, so that
# the first labels have about the same shares as all of them.
/^#/ { next }
{ for (i = 1; i <= NF; i++) labels[++total] = $i }
END {
  if (total == 0) { print "draw-labels: no labels" > "/dev/stderr"; exit 65 }
  for (i = 1; i <= total; i++) frequency[labels[i]]++
  for (label = 0; seen < total; label++) { seen += frequency[label]; upTo[label] = seen }
  for (i = 0; i < count; i++) {
    place = (i + 0.5) * 0.61803398874989485
    place = (place - int(place)) * total
    for (label = 0; upTo[label] <= place; label++) continue
    print label
  }
}
