#!/bin/sh
# What `make install` lays down can be found by pkg-config and used by a C and a C++ program, shared and static;
# `make uninstall` takes it all away.
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
flags=$(pkg-config --cflags serverless-dataflow)
# shellcheck disable=SC2086
$CC -o "$tmp/use-static" $flags "$tmp/use.c" "$tmp/root/usr/lib/libserverless-dataflow.a" -lcjson -llz4 -pthread -ldl -lm
for program in use-c use-cc use-static; do
    [ "$(LD_LIBRARY_PATH="$tmp/root/usr/lib" "$tmp/$program")" = "$lines" ]
done
make -s uninstall DESTDIR="$tmp/root" PREFIX=/usr BUILD="$BUILD"
[ -z "$(find "$tmp/root" -type f -o -type l)" ]
