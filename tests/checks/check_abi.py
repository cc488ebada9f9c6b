#!/usr/bin/env python3
"""What a foreign caller needs of the public headers: no variadics, no bit-fields, nothing larger than a slice by value, structs that say
their size, options with an init function; and cffi understands all of it with comments and preprocessor taken away."""
import glob
import re
import sys

SMALL = {"sdf_slice", "sdf_view", "sdf_record"}  # frozen, or made by the library alone; the rest grow by struct_size
bad = []


def plain(path):
    with open(path, encoding="utf-8") as f:
        source = re.sub(r"/\*.*?\*/", " ", f.read(), flags=re.S)
    source = re.sub(r"#ifdef __cplusplus.*?#endif", "", source, flags=re.S)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", "", source, flags=re.M).replace("SDF_API", "")


# In the order in which they include each other.
order = ["base", "record", "function", "context", "key", "expr", "rdd", "io", "action", "shared", "sys/store", "sys/transport",
         "sys/source", "sys/sink", "sys/conformance"]
found = {path[len("include/sdf/"):-2] for path in glob.glob("include/sdf/**/*.h", recursive=True)} - {"sdf"}
if found != set(order):
    sys.exit(f"check_abi.py does not know the headers {sorted(found ^ set(order))}")
text = "".join(plain(f"include/sdf/{name}.h") for name in order)

if "..." in text:
    bad.append("a function is variadic")
bad += [f"a bit-field: {field.strip()}" for field in re.findall(r"[^;{]*\b(?:int|uint\w+|unsigned)\s+\w+\s*:\s*\d+\s*;", text)]
structs = dict((name, body) for body, name in re.findall(r"typedef struct \w+ \{(.*?)\n\} (\w+);", text, re.S))
for name, body in structs.items():
    if name not in SMALL and not re.match(r"\s*size_t struct_size;", body):
        bad.append(f"{name} does not begin with struct_size")
    if name.endswith("_options") and not re.search(rf"\b{name}_init\({name} \*\w+\)", text):
        bad.append(f"{name} has no {name}_init")
outside = re.sub(r"typedef struct \w+ \{.*?\n\} \w+;", "", text, flags=re.S)
for name in structs:
    for use in re.findall(rf"\b{name} (?!\*)\w+[,)]", text) + re.findall(rf"^\s*{name} \w+\(", outside, re.M):
        bad.append(f"a struct goes by value: {use}")

try:
    import cffi
    cffi.FFI().cdef(text)
except ImportError:
    print("skipped: python3-cffi is not installed, so the headers are not tried with it")
print("\n".join(bad))
sys.exit(bool(bad))
