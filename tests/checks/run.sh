#!/bin/sh
# Checks of the tree itself: headers stand alone, includes go one way, the symbol list agrees everywhere, what is
# installed can be used.
set -u
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
CC=${CC:-cc}
CXX=${CXX:-c++}
passed=0
failed=0
for check in tests/checks/check_*; do
    name=$(basename "$check")
    if output=$(BUILD=$BUILD CC=$CC CXX=$CXX "$check" 2>&1); then
        echo "ok     $name"
        echo "$output" | grep "^skipped" || true
        passed=$((passed + 1))
    else
        echo "FAILED $name"
        echo "$output"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
