#!/usr/bin/env bash
# The box's endpoint: EC2's launches, states, pages and refusals.
. "$(dirname "$0")/api/run.sh" instances
