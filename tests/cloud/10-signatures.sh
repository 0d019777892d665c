#!/usr/bin/env bash
# The box's endpoint: signatures, as strict as AWS's.
. "$(dirname "$0")/api/run.sh" signatures
