#!/bin/sh
# docs/reference.md is what the headers say, the headers say all they must of each symbol, and lib/sdf.map has the same symbols.
exec python3 -B scripts/reference.py --check
