#!/usr/bin/env python3
"""Includes go one way: a room includes only rooms before it in lib/README.md's list, programs only <sdf/...>."""
import os
import re
import sys

ORDER = re.search(r"```order\n(.*?)```", open("lib/README.md").read(), re.S).group(1).split()
ALSO = {"sched": {"base", "spec", "sched"}}  # the scheduler is pure: it sees even less
bad = []

rooms = {d for d in os.listdir("lib") if os.path.isdir(f"lib/{d}")}
if rooms != set(ORDER):
    bad.append(f"lib/README.md orders {sorted(ORDER)}, lib/ has {sorted(rooms)}")
for room in sorted(rooms):
    allowed = ALSO.get(room, set(ORDER[:ORDER.index(room) + 1]) if room in ORDER else set())
    for folder, _, files in os.walk(f"lib/{room}"):
        for name in files:
            for line in open(os.path.join(folder, name)):
                m = re.match(r'\s*#include "(\w+)/', line)
                if m and m.group(1) not in allowed:
                    bad.append(f"lib/{room}/{name} includes {m.group(1)}/")
for top in ("src", "examples", "include"):
    for folder, _, files in os.walk(top):
        for name in files:
            for line in open(os.path.join(folder, name)):
                m = re.match(r'\s*#include "([^"]+)"', line)
                if m and "/" in m.group(1):
                    bad.append(f"{folder}/{name} includes {m.group(1)}: only <sdf/...> is public")
print("\n".join(bad))
sys.exit(bool(bad))
