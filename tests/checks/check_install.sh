#!/bin/sh
# What `make install` lays down can be found by pkg-config and by CMake and used by a C and a C++ program, shared and
# static, also after the tree was moved; `make uninstall` takes it all away.
set -eu
case $BUILD in *san-*) exit 0 ;; esac
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
make -s install DESTDIR="$tmp/root" PREFIX=/usr BUILD="$BUILD"
cat >"$tmp/use.c" <<'END'
#include <stdio.h>
#include <sdf/sdf.h>
int main(void)
{
    sdf_error *err = NULL;
    uint64_t count = 0;
    sdf_context *context = sdf_context_open("threads:1", "mem:", NULL, &err);
    sdf_rdd *lines = sdf_text_file(context, __FILE__, NULL);
    if (sdf_count(lines, &count, &err) != SDF_OK)
        fprintf(stderr, "%s\n", sdf_error_text(err));
    sdf_context_close(context);
    printf("%llu\n", (unsigned long long)count);
    return 0;
}
END
cp "$tmp/use.c" "$tmp/use.cc"
lines=$(wc -l <"$tmp/use.c")
export PKG_CONFIG_PATH="$tmp/root/usr/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$tmp/root"
# shellcheck disable=SC2046
$CC -o "$tmp/use-c" "$tmp/use.c" $(pkg-config --cflags --libs serverless-dataflow)
# shellcheck disable=SC2046
$CXX -o "$tmp/use-cc" "$tmp/use.cc" $(pkg-config --cflags --libs serverless-dataflow)
for program in use-c use-cc; do
    [ "$(LD_LIBRARY_PATH="$tmp/root/usr/lib" "$tmp/$program")" = "$lines" ]
done

# In place and moved, without a sysroot: pkg-config's paths are those of where its file lies, so Python finds both.
make -s install DESTDIR= PREFIX="$tmp/here" BUILD="$BUILD"
mv "$tmp/here" "$tmp/there"
unset PKG_CONFIG_SYSROOT_DIR
export PKG_CONFIG_PATH="$tmp/there/lib/pkgconfig"
# shellcheck disable=SC2046
$CC -o "$tmp/use-moved" "$tmp/use.c" $(pkg-config --cflags --libs serverless-dataflow)
[ "$(LD_LIBRARY_PATH="$tmp/there/lib" "$tmp/use-moved")" = "$lines" ]
if python3 -c 'import cffi' 2>/dev/null; then
    python3 -B examples/python/sticky_error.py | grep -q SDF_E_INVALID
else
    echo "skipped: python3-cffi is not installed, so the Python examples are not tried with the installed library"
fi

# The archive alone, by what pkg-config says that it needs.
cp -r "$tmp/root" "$tmp/static"
rm "$tmp"/static/usr/lib/*.so*
export PKG_CONFIG_PATH="$tmp/static/usr/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$tmp/static"
# shellcheck disable=SC2046
$CC -o "$tmp/use-static" "$tmp/use.c" $(pkg-config --cflags --libs --static serverless-dataflow)
[ "$("$tmp/use-static")" = "$lines" ]

if command -v cmake >/dev/null 2>&1; then
    mkdir "$tmp/project"
    cp -r "$tmp/root/usr" "$tmp/moved"
    cat >"$tmp/project/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.5)
project(use C CXX)
find_package(sdf REQUIRED)
message(STATUS "found sdf \${sdf_VERSION}")
foreach(kind sdf static)
    add_executable(c-\${kind} ../use.c)
    target_link_libraries(c-\${kind} sdf::\${kind})
    add_executable(cc-\${kind} ../use.cc)
    target_link_libraries(cc-\${kind} sdf::\${kind})
endforeach()
END
    cmake -S "$tmp/project" -B "$tmp/built" -DCMAKE_PREFIX_PATH="$tmp/moved" -DCMAKE_C_COMPILER="$CC" \
        -DCMAKE_CXX_COMPILER="$CXX" >"$tmp/cmake.log" 2>&1 || { cat "$tmp/cmake.log"; exit 1; }
    grep -q "found sdf [0-9]" "$tmp/cmake.log"
    cmake --build "$tmp/built" >"$tmp/cmake.log" 2>&1 || { cat "$tmp/cmake.log"; exit 1; }
    for program in c-sdf c-static cc-sdf cc-static; do
        [ "$("$tmp/built/$program")" = "$lines" ]
    done
    sed 's/find_package(sdf /find_package(sdf 99.1 /' "$tmp/project/CMakeLists.txt" >"$tmp/new" && mv "$tmp/new" \
        "$tmp/project/CMakeLists.txt"
    if cmake -S "$tmp/project" -B "$tmp/refused" -DCMAKE_PREFIX_PATH="$tmp/moved" >/dev/null 2>&1; then
        echo "version 99.1 is found"
        exit 1
    fi
else
    echo "skipped: cmake is not installed, so its package files are not tried"
fi

make -s uninstall DESTDIR="$tmp/root" PREFIX=/usr BUILD="$BUILD"
[ -z "$(find "$tmp/root" -type f -o -type l)" ]
