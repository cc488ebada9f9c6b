#!/bin/sh
# Every public header compiles alone, as C99 and as C++, without a warning.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for header in $(cd include && find sdf -name '*.h'); do
    echo "#include <$header>" >"$tmp/one.c"
    $CC -std=c99 -pedantic -Wall -Wextra -Werror -Iinclude -fsyntax-only "$tmp/one.c"
    $CXX -x c++ -std=c++11 -pedantic -Wall -Wextra -Werror -Iinclude -fsyntax-only "$tmp/one.c"
done
for header in $(cd lib && find . -name '*.h'); do
    echo "#include \"${header#./}\"" >"$tmp/one.c"
    $CC -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter -Wno-unused-function -Werror -Iinclude -Ilib -fsyntax-only "$tmp/one.c"
done
