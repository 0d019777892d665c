#!/bin/sh
# Makes busybox.tar, as ../container does.
set -eu
cd "$(dirname "$0")"
../container/make-image.sh "$@"
mv ../container/busybox.tar .
