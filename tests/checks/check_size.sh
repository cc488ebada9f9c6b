#!/bin/sh
# The stripped shared library stays under 800 KB. (Builds with a sanitizer or without optimisation are not what is shipped.)
set -eu
[ -z "${SANITIZE:-}" ] || exit 0
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -o "$stripped" "$BUILD"/libserverless-dataflow.so
size=$(wc -c < "$stripped")
echo "$size bytes"
[ "$size" -lt 819200 ]
