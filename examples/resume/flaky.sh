#!/bin/sh
# Every third task fails at its first attempt with the status that asks to be tried again.
set -eu
sleep 0.3
if [ $((FURROW_INPUT % 3)) -eq 0 ] && [ "$FURROW_ATTEMPT" -eq 1 ]; then
	echo "task $FURROW_INPUT: the service is busy" >&2
	exit 75
fi
echo "task $FURROW_INPUT: done at attempt $FURROW_ATTEMPT"
