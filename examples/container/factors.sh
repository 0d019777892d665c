#!/bin/sh
# Prints the prime factors of a number, and what it was computed on.
factor "$1"
cat /etc/os-release >&2
