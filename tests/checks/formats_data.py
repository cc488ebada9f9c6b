"""Shuffle objects, ordered keys and raw values read as docs/formats.md says, every checksum and digest made anew."""
import math
import struct

from formats_doc import Reader, decode, fixed, need
from formats_hash import crc32c, fold, xxh3

DIGEST_START = 0x5344462D44494745
NAN = bytes.fromhex("7ff8000000000000")


# ---- values ----

def canonical(kind, raw):
    """The raw key as it is hashed, grouped and sorted."""
    if kind != "f64":
        return raw
    value = struct.unpack("<d", raw)[0]
    return NAN[::-1] if math.isnan(value) else struct.pack("<d", value + 0.0)


def partition_of(kind, raw, partitions):
    return (xxh3(canonical(kind, raw)) >> 32) * partitions >> 32


def order_of(kind):
    """What sorts raw keys of a kind."""
    def number(raw):
        value = struct.unpack("<q" if kind == "i64" else "<d", raw)[0]
        return (1, 0) if value != value else (0, value)
    return number if kind in ("i64", "f64") else bytes


def bits_of(value):
    return struct.unpack(">Q", struct.pack(">d", value))[0]


def double_not_above(value):
    """The largest double that is not above a whole number."""
    double = float(value)
    return double if double <= value else math.nextafter(double, -math.inf)


def encode_item(value):
    """None, int (an i64), float, bytes or a tuple of these in the ordered encoding."""
    if value is None:
        return b"\x10"
    if isinstance(value, bytes):
        return b"\x30" + b"\0\xff".join(value.split(b"\0")) + b"\0"
    if isinstance(value, tuple):
        return b"\x40" + b"".join(map(encode_item, value)) + b"\0"
    double = value if isinstance(value, float) else double_not_above(value)
    rest = 0 if isinstance(value, float) else value - int(double)
    bits = int.from_bytes(NAN, "big") if double != double else bits_of(double + 0.0)
    bits = ~bits & (1 << 64) - 1 if bits >> 63 else bits | 1 << 63
    return b"\x20" + bits.to_bytes(8, "big") + rest.to_bytes(2, "big")


# ---- blocks ----

def lz4_block(data, size):
    """An LZ4 block; `size` bytes come out."""
    reader, out = Reader(data), bytearray()

    def length(nibble):
        more = nibble == 15
        while more:
            byte = reader.take(1)[0]
            nibble += byte
            more = byte == 255
        return nibble

    while True:
        token = reader.take(1)[0]
        out += reader.take(length(token >> 4))
        if not reader.left():
            break
        back = reader.number(2)
        count = length(token & 15) + 4
        need(0 < back <= len(out), "LZ4: a match from", back, "bytes before")
        for _ in range(0, count, back):
            part = out[len(out) - back:len(out) - back + min(back, count)]
            out += part
            count -= len(part)
    need(len(out) == size, "LZ4:", len(out), "bytes came out of", size)
    return bytes(out)


def column(doc, reader, layout, kind, count):
    """The raw values of a column; its layout must be one that the document allows for the kind."""
    row = [r for r in doc.table("Payload", "layout") if int(r["layout"]) == layout]
    need(row, "an unknown layout", layout)
    name = row[0]["name"]
    variable = kind not in ("i64", "f64", "null")
    allowed = {"EMPTY": variable or kind == "null", "CONST": kind != "null", "FIXED": kind != "null"}
    need(allowed.get(name, variable if name.startswith("VAR") else kind == "i64"), "layout", name, "for", kind)
    if name == "EMPTY":
        return [b""] * count
    if name == "CONST":
        return [reader.take(reader.number(4))] * count
    if name == "FIXED":
        width = reader.number(4)
        need(width > 0 and (variable or width == 8), "FIXED with a length of", width)
        return [reader.take(width) for _ in range(count)]
    width = int(name[3:]) // 8
    if name.startswith("INT"):
        return [reader.number(-width).to_bytes(8, "little", signed=True) for _ in range(count)]
    return [reader.take(size) for size in [reader.number(width) for _ in range(count)]]


def block(doc, data, at, kinds):
    """(header, records, digest of the raw payload, next offset, layouts)"""
    header, size = fixed(doc, data, "Block", at)
    stored = data[at + size:at + size + header["stored"]]
    need(len(stored) == header["stored"], "a block is cut short")
    need(crc32c(stored, crc32c(data[at:at + size - 4])) == header["crc"], "a block's checksum")
    need(header["codec"] in (0, 1) and (header["codec"] == 1) == (header["stored"] < header["raw"]), "codec", header)
    raw = lz4_block(stored, header["raw"]) if header["codec"] else stored
    payload, prefix = fixed(doc, raw, "Payload")
    need(payload["records"] == header["records"] > 0, "records of a block", payload, header)
    reader = Reader(raw[prefix:])
    layouts = payload["key_layout"], payload["value_layout"]
    keys, values = (column(doc, reader, layouts[i], kinds[i], header["records"]) for i in range(2))
    reader.end()
    return header, list(zip(keys, values)), xxh3(raw), at + size + len(stored), layouts


# ---- objects ----

def zigzag(value):
    return value >> 1 ^ -(value & 1)


def index_of(doc, data):
    """{partitions, fingerprint, extents: [{partition, offset, stored, raw, records, max_raw}]}"""
    reader = Reader(data)
    head = decode(doc, reader, "Index")
    extents, groups = [], []  # groups: first extent of each partition that has some
    for i in range(head["count"]):
        x = decode(doc, reader, "Index: extent")
        partition = x["partition_step"] + (extents[-1]["partition"] if extents else 0)
        if not groups or x["partition_step"]:
            groups.append(i)
        before = groups[-2] if len(groups) > 1 else 0
        like = before + i - groups[-1]
        last = extents[like if like < groups[-1] else i - 1] if i else {"offset": 48, "stored": 0}
        extents.append({"partition": partition, "offset": last["offset"] + last["stored"] + zigzag(x["offset_error"]),
                        "stored": x["stored"], "raw": x["raw"], "records": x["records"],
                        "max_raw": x["raw"] - x["others"]})
        need(partition < head["partitions"] and x["records"] > 0, "an index entry", extents[-1])
    reader.end()
    return {"partitions": head["partitions"], "fingerprint": head["fingerprint"], "extents": extents}


class Object:
    """A whole shuffle object, checked: header, index, extents (with records) and layouts that occur."""

    def __init__(self, doc, data):
        kinds = {int(r["number"]): r["kind"] for r in doc.table("Types and raw values", "kind")}
        self.header, size = fixed(doc, data, "Header")
        need(crc32c(data[:size - 4]) == self.header["crc"], "the header's checksum")
        self.kinds = kinds[self.header["key_kind"]], kinds[self.header["value_kind"]]
        trailer_size = fixed(doc, data[-24:], "Trailer")[1]
        end = len(data) - trailer_size
        trailer = fixed(doc, data, "Trailer", end)[0]
        need(crc32c(data[end:end + 16]) == trailer["crc"], "the trailer's checksum")
        at = trailer["index_offset"]
        need(at + trailer["index_size"] == end, "the index does not end where the trailer begins")
        self.index_bytes = data[at:end]
        need(crc32c(self.index_bytes) == trailer["index_crc"], "the index's checksum")
        self.index = index_of(doc, self.index_bytes)
        need(self.index["partitions"] == self.header["partitions"], "partitions of header and index")
        self.layouts, self.codecs = set(), set()
        self._read_extents(doc, data, size, at)
        need(self.fingerprint() == self.index["fingerprint"], "the fingerprint")

    def _read_extents(self, doc, data, at, end):
        """In the order in which they lie; without a gap from the header to the index."""
        self.extents = sorted(self.index["extents"], key=lambda x: x["offset"])
        for x in self.extents:
            need(x["offset"] == at, "an extent lies at", x["offset"], "not", at)
            raws, x["rows"], x["digest"] = [], [], DIGEST_START
            while at < x["offset"] + x["stored"]:
                header, rows, digest, at, layouts = block(doc, data, at, self.kinds)
                need(header["partition"] == x["partition"], "a block of another partition")
                raws.append(header["raw"])
                x["rows"] += rows
                x["digest"] = fold(x["digest"], digest)
                self.layouts |= {(self.kinds[0], layouts[0]), (self.kinds[1], layouts[1])}
                self.codecs.add(header["codec"])
            need((sum(raws), max(raws), len(x["rows"])) == (x["raw"], x["max_raw"], x["records"]), "an extent's sums")
        need(at == end, "bytes between the blocks and the index")
        by_partition = [(x["partition"], x["offset"]) for x in self.index["extents"]]
        need(by_partition == sorted(by_partition), "the index is not in order of partition and run")

    def fingerprint(self):
        result = fold(DIGEST_START, self.index["partitions"])
        for partition in sorted({x["partition"] for x in self.extents}):
            mine = [x for x in self.index["extents"] if x["partition"] == partition]
            digest = DIGEST_START
            for x in mine:
                digest = fold(digest, x["digest"])
            for part in (partition, sum(x["records"] for x in mine), digest):
                result = fold(result, part)
        return result

    def rows(self, partition=None):
        """Records by partition, then run; or those of one partition."""
        return [row for x in self.index["extents"] if partition in (None, x["partition"]) for row in x["rows"]]

    def runs(self):
        """How many: within a run partitions ascend."""
        return sum(1 for a, b in zip(self.extents, self.extents[1:]) if b["partition"] <= a["partition"]) + 1


def sorted_rows(kind, rows, descending=False):
    """Whether rows are in the order of their keys."""
    key = order_of(kind)
    keys = [key(row[0]) for row in rows]
    return all(a >= b if descending else a <= b for a, b in zip(keys, keys[1:]))
