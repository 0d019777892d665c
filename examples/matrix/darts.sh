#!/bin/sh
# Throws $darts darts at a square and counts those inside the circle. Prints: darts, seed, the estimate of pi.
set -eu
awk -v n="$darts" -v seed="$seed" 'BEGIN {
	srand(seed)
	for (i = 0; i < n; i++) {
		x = rand(); y = rand()
		if (x * x + y * y <= 1) hits++
	}
	printf "%d %d %.5f\n", n, seed, 4 * hits / n
}'
