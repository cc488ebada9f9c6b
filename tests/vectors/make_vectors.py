#!/usr/bin/env python3
"""Writes keys.json and partition.json, the vectors of sdf/key.h, from an implementation of its own.

It shares no code with the library: numbers are compared as exact fractions, and the hash is the PyPI package
"xxhash" (partition.json is left as it is when that is not installed). The files are committed; tests read them
and need no Python. Run it only to add vectors: the ones that are there must not change.
"""

import functools
import json
import math
import os
import random
import struct
from fractions import Fraction

HERE = os.path.dirname(os.path.abspath(__file__))
I64_MIN, I64_MAX = -(2**63), 2**63 - 1

# Values as Python has them: None, int (an i64), float (an f64), bytes, and tuples of these.


def bits_of(d):
    return struct.unpack(">Q", struct.pack(">d", d))[0]


def double_not_above(value):
    """The largest double that is not above a whole number, by its bits alone."""
    magnitude = abs(value)
    drop = max(0, magnitude.bit_length() - 53)
    kept = magnitude >> drop
    if value < 0 and kept << drop != magnitude:
        kept += 1
    return math.ldexp(float(kept), drop) * (-1 if value < 0 else 1)


def encode_number(value):
    if isinstance(value, float):
        double, rest = value, 0
        if math.isnan(double):
            return bytes.fromhex("20fff80000000000000000")
        double += 0.0  # -0 becomes 0
    else:
        double = double_not_above(value)
        rest = value - int(double)
    assert 0 <= rest <= 1023
    bits = bits_of(double)
    bits = bits ^ (2**64 - 1) if bits >> 63 else bits | 1 << 63
    return b"\x20" + struct.pack(">QH", bits, rest)


def encode(value):
    if value is None:
        return b"\x10"
    if isinstance(value, (int, float)):
        return encode_number(value)
    if isinstance(value, bytes):
        return b"\x30" + value.replace(b"\x00", b"\x00\xff") + b"\x00"
    return b"\x40" + b"".join(encode(item) for item in value) + b"\x00"


def class_of(value):
    return 0 if value is None else 1 if isinstance(value, (int, float)) else 2 if isinstance(value, bytes) else 3


def number_place(value):
    """Numbers as something that compares exactly: -inf, every finite one, +inf, NaN."""
    if isinstance(value, float) and math.isnan(value):
        return (3, 0)
    if isinstance(value, float) and math.isinf(value):
        return (2, 0) if value > 0 else (0, 0)
    return (1, Fraction(value))


def compare(a, b):
    """The order that the encoding promises, without the encoding."""
    if class_of(a) != class_of(b):
        return -1 if class_of(a) < class_of(b) else 1
    if isinstance(a, tuple):
        for x, y in zip(a, b):
            c = compare(x, y)
            if c:
                return c
        return (len(a) > len(b)) - (len(a) < len(b))
    if a is None:
        return 0
    x, y = (a, b) if isinstance(a, bytes) else (number_place(a), number_place(b))
    return (x > y) - (x < y)


def written(value):
    """The value for JSON: [kind, ...], with i64 as decimal text, f64 as the hex of its bits, bytes as hex."""
    if value is None:
        return ["null"]
    if isinstance(value, float):
        return ["f64", "%016x" % bits_of(value)]
    if isinstance(value, int):
        return ["i64", str(value)]
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    return ["tuple", [written(item) for item in value]]


def key_values():
    rng = random.Random(1)
    ints = {0, 1, -1, 2, 10, -10, 255, 256, I64_MIN, I64_MIN + 1, I64_MAX, I64_MAX - 1}
    for power in (31, 32, 52, 53, 54, 60, 61, 62):
        for near in (-1025, -1024, -1023, -2, -1, 0, 1, 2, 3, 511, 512, 513, 1023, 1024):
            ints.update((2**power + near, -(2**power) + near))
    ints.update(I64_MAX - n for n in (1022, 1023, 1024, 1025))
    ints.update(I64_MIN + n for n in (1022, 1023, 1024, 1025))
    ints.update(rng.randrange(I64_MIN, I64_MAX) for _ in range(24))
    floats = [0.0, -0.0, 0.1, -0.1, 0.5, 1.0, 1.5, -1.5, 3.0, 1e15, 1e300, -1e300, 5e-324, -5e-324, 2.0**53, 2.0**62]
    floats += [2.0**63, -(2.0**63), 2.0**64, math.inf, -math.inf, math.nan, -math.nan, 2.2250738585072014e-308]
    floats += [struct.unpack(">d", b"\x7f\xf0\0\0\0\0\0\1")[0], math.nextafter(2.0**63, 0)]
    floats += [struct.unpack(">d", struct.pack(">Q", rng.getrandbits(64)))[0] for _ in range(24)]
    texts = [b"", b"\0", b"\0\0", b"\0\1", b"\0\xff", b"\1", b"\xff", b"\xff\0", b"\xff\xff", b"a", b"a\0", b"a\0b"]
    texts += [b"a\0\0", b"aa", b"ab", b"b", b"\x10", b"\x40\0", "ä€😀".encode(), bytes(range(256)), b"z" * 300]
    tuples = [(), (None,), (None, None), (0,), (0, 0), (-1, b"x"), (0, b""), (0, b"\0"), (0, b"a"), (0.0, b"a", 1)]
    tuples += [(b"",), (b"\0",), (b"\0", b""), (b"", b"\0"), (b"a", b"b"), (b"ab",), (b"a", 1), (b"a\0", 1), ((),)]
    tuples += [((), ()), ((1, 2), 3), ((1,), 2), ((1, 2, 3),), (None, (b"a", (1.5, None))), (math.nan,), (I64_MAX, I64_MIN)]
    deep = ()
    for _ in range(31):
        deep = (deep,)
    return [None] + sorted(ints) + floats + texts + tuples + [deep]


def write(name, what, vectors):
    lines = ",\n".join(json.dumps(v, separators=(",", ":")) for v in vectors)
    with open(os.path.join(HERE, name), "w") as out:
        out.write('{"about":%s,\n"vectors":[\n%s\n]}\n' % (json.dumps(what), lines))


def write_keys():
    values = sorted(key_values(), key=functools.cmp_to_key(compare))
    vectors, rank = [], 0
    for i, value in enumerate(values):
        if i and compare(values[i - 1], value):
            rank += 1
        vectors.append({"rank": rank, "value": written(value), "hex": encode(value).hex()})
    for a, b in zip(vectors, vectors[1:]):  # bytes.fromhex compares as memcmp does
        x, y = bytes.fromhex(a["hex"]), bytes.fromhex(b["hex"])
        assert x == y if a["rank"] == b["rank"] else x < y, (a, b)
    write("keys.json", "values in order; equal rank, equal value; hex is the encoding of sdf/key.h", vectors)


def write_partitions():
    try:
        import xxhash
    except ImportError:
        print("partition.json: left as it is (the package xxhash is not installed)")
        return
    raws = [("bytes", bytes((7 * i + n) % 256 for i in range(n))) for n in
            (0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 127, 128, 129, 200, 240, 241, 255, 256, 512, 1000, 4096)]
    raws += [("bytes", w) for w in (b"the", b"of", b"license", "größe".encode(), b"\0", b"\0\0")]
    raws += [("i64", struct.pack("<q", v)) for v in (0, 1, -1, 42, 10**12, I64_MIN, I64_MAX)]
    floats = [struct.pack("<d", v) for v in (0.0, -0.0, 1.0, -1.5, 1e300, math.inf, -math.inf, math.nan)]
    floats += [struct.pack("<Q", 0xFFF8000000000000), struct.pack("<Q", 0x7FF0000000000001)]
    raws += [("f64", v) for v in floats] + [("null", b"")]
    raws += [("tuple(i64,bytes)", encode((7, b"x"))), ("optional(i64)", encode(None)), ("any", encode((1.5, (b"y",))))]
    vectors = []
    for kind, raw in raws:
        hashed = raw
        if kind == "f64":
            value = struct.unpack("<d", raw)[0]
            hashed = struct.pack("<Q", 0x7FF8000000000000) if math.isnan(value) else struct.pack("<d", value + 0.0)
        h = xxhash.xxh3_64_intdigest(hashed)
        places = {str(n): (h >> 32) * n >> 32 for n in (1, 2, 3, 7, 16, 1000, 4294967295)}
        vectors.append({"type": kind, "raw": raw.hex(), "hash": "%016x" % h, "partition": places})
    write("partition.json", "hash of a raw key (hex) and its partition of 1, 2, 3, ... partitions", vectors)


if __name__ == "__main__":
    write_keys()
    write_partitions()
