"""The tables of docs/formats.md, and bytes decoded as they say. Nothing here knows a field's name."""
import re

LIMITS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i32": -4, "i64": -8}


class Wrong(Exception):
    """Bytes that are not what the document says."""


def need(right, what, *detail):
    if not right:
        raise Wrong(" ".join(str(x) for x in (what, *detail)))


def _cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


class Doc:
    def __init__(self, path):
        self.tables = {}  # heading -> list of tables, each a list of {column: cell}
        heading, columns, rows = "", None, []
        for line in open(path, encoding="utf-8"):
            if line.startswith("#"):
                heading = line.lstrip("#").strip()
            if not line.startswith("|"):
                columns = None
                continue
            if columns is None:
                columns, rows = _cells(line), []
                self.tables.setdefault(heading, []).append(rows)
            elif set(line.strip()) - set("|-"):
                rows.append(dict(zip(columns, _cells(line))))
        self.anchors = {h.lower().replace(":", "").replace(" ", "-"): h for h in self.tables}

    def table(self, heading, column):
        """The first table under a heading that has this column."""
        for rows in self.tables.get(heading, []):
            if rows and column in rows[0]:
                return rows
        raise Wrong(f'docs/formats.md: no table with a column "{column}" under "{heading}"')

    def fields(self, heading):
        """[(name, form, meaning)]"""
        return [(row["field"].strip("`"), row["form"], row["meaning"]) for row in self.table(heading, "field")]

    def linked(self, form):
        """The heading that a form's link leads to, or None."""
        link = re.search(r"\(#([^)]*)\)", form)
        need(not link or link.group(1) in self.anchors, "docs/formats.md: a dead link:", form)
        return self.anchors[link.group(1)] if link else None


class Reader:
    def __init__(self, data):
        self.data, self.at = bytes(data), 0

    def left(self):
        return len(self.data) - self.at

    def take(self, size):
        need(size <= self.left(), "cut short:", size, "bytes expected,", self.left(), "left")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, size):
        return int.from_bytes(self.take(abs(size)), "little", signed=size < 0)

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                need(value < 1 << 64, "a varint above 2^64")
                return value

    def end(self):
        need(self.left() == 0, self.left(), "bytes too many")


def _plain(reader, form):
    """A field of one of the forms under "Conventions"; limits are checked."""
    name, _, limit = form.partition(" ")
    if name in LIMITS:
        return reader.number(LIMITS[name])
    if name.startswith("varint"):
        value = reader.varint()
        need(name == "varint" or value < 1 << 32, "a varint32 above 2^32")
        return value
    if name == "rest":
        return reader.take(reader.left())
    need(name in ("bytes", "text"), "docs/formats.md: an unknown form:", form)
    size = reader.varint()
    need(not limit or size <= int(limit), "longer than its limit:", form, size)
    value = reader.take(size)
    need(name == "bytes" or 0 not in value, "a NUL in a text")
    return value


def decode_field(doc, reader, form):
    if form.startswith("`"):
        magic = reader.take(4)
        need(magic == form.strip("`").encode(), "magic is", magic, "expected", form)
        return magic
    heading = doc.linked(form)
    if form.startswith("list of "):
        inner = form[len("list of "):]
        return [decode(doc, reader, heading) if heading else _plain(reader, inner) for _ in range(reader.varint())]
    return decode(doc, reader, heading) if heading else _plain(reader, form)


def decode(doc, reader, heading):
    """The fields of a table, in its order. A field X is only there if the one called has_X is 1."""
    values = {}
    for name, form, meaning in doc.fields(heading):
        if values.get("has_" + name) == 0:
            values[name] = None
            continue
        try:
            values[name] = decode_field(doc, reader, form)
        except Wrong as why:
            raise Wrong(f"{heading}: {name}: {why}") from None
        if name in ("version", "format"):
            need(str(values[name]) == meaning.split(",")[0], heading, name, "is", values[name], "documented:", meaning)
    return values


def decode_all(doc, data, heading):
    reader = Reader(data)
    values = decode(doc, reader, heading)
    reader.end()
    return values


def fixed(doc, data, heading, at=0):
    """A table of offsets and sizes; (values, bytes that it takes)."""
    values, end = {}, 0
    for row in doc.table(heading, "offset"):
        offset, size, name, meaning = int(row["offset"]), int(row["size"]), row["field"].strip("`"), row["meaning"]
        need(offset == end, "docs/formats.md:", heading, "has a gap before", name)
        end = offset + size
        need(at + end <= len(data), heading, "cut short at", name)
        part = bytes(data[at + offset:at + end])
        values[name] = part if name == "magic" else int.from_bytes(part, "little")
        if name == "magic":
            need(part == meaning.strip("`").encode(), heading, "magic is", part)
        if name in ("version", "zero"):
            need(str(values[name]) == meaning, heading, name, "is", values[name])
    return values, end


def encode(doc, heading, values):
    """The other way round: bytes of a table's fields. What `values` lacks is 0 or empty."""
    out = b""
    for name, form, meaning in doc.fields(heading):
        value = values.get(name)
        kind = form.split(" ")[0]
        if form.startswith("`"):
            out += form.strip("`").encode()
        elif name == "version" and value is None:
            out += int(meaning).to_bytes(4, "little")
        elif kind in LIMITS:
            out += (value or 0).to_bytes(abs(LIMITS[kind]), "little", signed=LIMITS[kind] < 0)
        elif kind in ("bytes", "text"):
            out += varint(len(value or b"")) + (value or b"")
        elif kind == "list":
            out += varint(len(value or []))
            out += b"".join(encode(doc, doc.linked(form), one) for one in value or [])
        elif doc.linked(form):
            out += encode(doc, doc.linked(form), value) if values.get("has_" + name) else b""
        else:
            out += varint(value or 0)
    return out


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])
