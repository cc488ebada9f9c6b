#!/bin/sh
# No file carries a path of somebody's machine or trailing blanks; every source begins with a comment that says what it is.
set -eu
bad=0
if git grep -nIE '/home/[a-z]+/|/Users/|/work/' -- . ':!tests/checks/check_tree.sh'; then
    echo "these lines name a path of one machine"
    bad=1
fi
if git grep -nIE '[ 	]+$' -- '*.c' '*.h' '*.py' '*.sh' Makefile; then
    echo "these lines end in blanks"
    bad=1
fi
for file in $(git ls-files 'lib/*.c' 'lib/*.h' 'include/*.h' 'src/*.c' 'examples/*.c' 'examples/*.h'); do
    case $(head -c 2 "$file") in
    "/*") ;;
    *)
        echo "$file does not begin with a comment"
        bad=1
        ;;
    esac
done
exit $bad
