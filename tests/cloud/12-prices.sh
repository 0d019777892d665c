#!/usr/bin/env bash
# The box's prices: the price list, spot prices, the spot advisor's file.
. "$(dirname "$0")/api/run.sh" prices
