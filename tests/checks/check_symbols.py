#!/usr/bin/env python3
"""The symbols that headers declare, the version script names, the shared library exports and the static library defines are the same."""
import glob
import os
import re
import subprocess
import sys

build = os.environ["BUILD"]
bad = []


def exported(*command):
    text = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in text.splitlines() if re.search(r" [TDBRW] ", line)}


def compare(what, got, want):
    for name in sorted(want - got):
        bad.append(f"{what} lacks {name}")
    for name in sorted(got - want):
        bad.append(f"{what} has {name}, which no public header declares")


declared = set()
for header in glob.glob("include/sdf/**/*.h", recursive=True):
    declared |= set(re.findall(r"SDF_API[^;]*?\b(sdf_\w+)\s*\(", open(header).read()))
compare("lib/sdf.map", set(re.findall(r"^\s+(sdf_\w+);", open("lib/sdf.map").read(), re.M)), declared)
shared = exported("nm", "-D", "--defined-only", f"{build}/libserverless-dataflow.so") - {"SDF_0"}
static = exported("nm", "-g", "--defined-only", f"{build}/libserverless-dataflow.a")
if "san-" not in build:  # a sanitizer exports names of its own
    compare("the shared library", shared, declared)
    compare("the static library", static, declared)
print("\n".join(bad))
sys.exit(bool(bad))
