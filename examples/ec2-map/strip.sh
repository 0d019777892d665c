#!/bin/sh
# Strip $1 of a picture of the Mandelbrot set that has $2 rows: two of these, of 78 characters.
set -eu
mkdir -p out
awk -v strip="$1" -v rows="$2" 'BEGIN {
	for (row = 2 * strip; row < 2 * strip + 2; row++) {
		line = ""
		for (col = 0; col < 78; col++) {
			cx = -2.1 + 2.8 * col / 77
			cy = -1.15 + 2.3 * row / (rows - 1)
			x = y = 0
			for (n = 0; n < 200 && x * x + y * y < 4; n++) {
				t = x * x - y * y + cx
				y = 2 * x * y + cy
				x = t
			}
			line = line substr(" .:-=+*%#@", n == 200 ? 10 : 1 + int(log(n + 1) / log(200) * 9), 1)
		}
		print line
	}
}' >out/strip.txt
echo "strip $1 on $(hostname)"
