#!/bin/sh
# The words of one text, the most frequent first.
set -eu
mkdir -p out
tr -cs '[:alpha:]' '\n' <"$1" | tr '[:upper:]' '[:lower:]' | grep . | sort | uniq -c | sort -k1,1nr -k2 >out/words.txt
echo "$(basename "$1"): $(wc -w <"$1") words, $(wc -l <out/words.txt) different ones"
