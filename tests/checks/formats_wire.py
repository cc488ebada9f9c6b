"""What formats_dump left behind, put together again: request, reply and plan of each attempt, and objects by name."""
import os
import re

from formats_data import Object
from formats_doc import decode_all, need
from formats_hash import crc32c, xxh3, xxh3_128_hex

NAME = re.compile(r"sdf-([0-9a-f]{16})/(?:plan/([0-9a-f]{32})|s(\d+)/t(\d+)\.(\d+)\.a(\d+)(?:\.(index|pieces))?|b(\d+))")
LIMIT_NONE = (1 << 64) - 1


def unsealed(doc, data):
    need(len(data) >= 8, "a sealed object is cut short")
    seal = decode_all(doc, data[-8:], "Names in the store")
    need(seal["crc"] == crc32c(data[:-8]), "a sealed object's checksum")
    return data[:-8]


def leaves_of(branch):
    """The shuffle inputs of a branch, depth first."""
    source = branch["input"]
    if source["kind"] == "shuffle":
        return [source]
    return [leaf for inner in source.get("sources", []) for leaf in leaves_of(inner)]


class Attempt:
    """One attempt: request, reply, its stage in its plan, and what it wrote."""

    def __init__(self, dump, number):
        doc = dump.doc
        read = lambda what: open(os.path.join(dump.folder, "wire", f"{number}.{what}"), "rb").read()
        self.request = q = decode_all(doc, read("request"), "Task request")
        self.reply = r = decode_all(doc, read("reply"), "Task reply")
        need(q["attempt"] == number and q["kind"] == 1 and len(q["plan_hash"]) == 32, "request", number)
        ids = ("kind", "job", "stage", "task", "leg", "attempt")
        need(all(q[x] == r[x] for x in ids), "the ids of reply", number)
        need(r["program_id"] == q["program_id"], "the reply's program id")
        counters = r["counters"]
        need(counters["count"] == len(counters) - 1, "counters:", counters["count"], "documented:", len(counters) - 1)
        self.key = q["stage"], q["task"], q["leg"]
        self.plan = dump.plan(q)
        self.stage = next(s for s in self.plan["stages"] if s["id"] == q["stage"])
        need(q["task"] < self.stage["tasks"], "task", q["task"])
        self.pieces, self.sides = q["pieces"], q["sides"]
        if q["pieces_name"]:
            need(not self.pieces and not self.sides, "pieces both here and there")
            listed = decode_all(doc, unsealed(doc, read("pieces")), "List of pieces")
            self.pieces, self.sides = listed["pieces"], listed["sides"]
        self.name = f"sdf-{q['context']:016x}/s{q['stage']}/t{q['task']}.{q['leg']}.a{number}"
        dump.kept(self.name, number)

    def output(self):
        return self.stage["output"]["kind"]

    def ops(self):
        return self.stage["branches"][0]["ops"]

    def reads(self, kind):
        """Has it a piece with something of such a source in it?"""
        return any(p["split"]["length"] for p in self.pieces
                   if self.stage["branches"][p["branch"]]["input"]["kind"] == kind)


class Dump:
    """A folder of formats_dump, everything in it decoded and checked against itself."""

    def __init__(self, doc, folder, plan_check):
        self.doc, self.folder, self.plan_check = doc, folder, plan_check
        self.plans, self.files, self.objects = {}, {}, {}
        store = os.path.join(folder, "store")
        for place, _, names in os.walk(store):
            for name in names:
                full = os.path.join(place, name)
                self.files[os.path.relpath(full, store)] = open(full, "rb").read()
        for name in list(self.files):
            self._read_object(name)
        numbers = sorted(int(x[:-8]) for x in os.listdir(os.path.join(folder, "wire")) if x.endswith(".request"))
        self.attempts = [Attempt(self, number) for number in numbers]
        self.winners = {a.key: a for a in self.attempts if a.reply["failure"] == 0}
        for attempt in self.attempts:
            self._check_reply(attempt)
            attempt.inputs = self._check_input(attempt)
            self._check_counters(attempt)

    def _read_object(self, name):
        parts = NAME.fullmatch(name)
        need(parts, "docs/formats.md has no name like", name)
        if parts.group(2) or parts.group(7) or parts.group(8):
            return
        o = self.objects[name] = Object(self.doc, self.files[name])
        ids = tuple(o.header[x] for x in ("context", "stage", "task", "leg", "attempt"))
        need(ids == (int(parts.group(1), 16), *(int(parts.group(i)) for i in (3, 4, 5, 6))), name, "has ids", ids)

    def kept(self, name, number):
        """An object that went with its job, before the others."""
        path = os.path.join(self.folder, "wire", f"{number}.object")
        if name not in self.files and os.path.exists(path):
            self.files[name] = open(path, "rb").read()
            self._read_object(name)

    def plan(self, request):
        """The plan of a request, by its hash."""
        digest = request["plan_hash"].decode()
        if digest not in self.plans:
            data = request["plan_inline"] or open(os.path.join(self.folder, "wire", digest), "rb").read()
            need(bool(request["plan_inline"]) == (len(data) <= 4096), "a plan of", len(data), "bytes")
            need(xxh3_128_hex(data) == digest, "the plan's hash")
            self.plans[digest] = self.plan_check.plan(data)
            need(self.plans[digest]["program"].encode() == request["program_id"], "the plan's program id")
        return self.plans[digest]

    # ---- replies ----

    def _check_reply(self, a):
        r, kind = a.reply, a.output()
        if r["failure"]:
            rest = [x for x in ("fingerprint", "records", "object_bytes", "file_bytes", "cut", "index", "index_name",
                                "result", "samples", "file_temp", "file_final", "errors_temp", "errors_final",
                                "errors_bytes", "errors_records", "accumulators", "probe") if r[x]]
            need(r["error"] and not rest, "a failed reply has", rest)
            return
        need(bool(r["index"] or r["index_name"]) == (kind == "shuffle"), "an index for output", kind)
        need(bool(r["file_temp"]) == (kind == "file"), "file names for output", kind)
        need(bool(r["file_final"]) == (kind == "file" and not a.stage["output"]["single"]), "file_final", r["file_final"])
        need(bool(r["errors_temp"]) == bool(r["errors_final"]) == bool(r["errors_bytes"]) == bool(r["errors_records"]),
             "diverted records")
        names = [x["name"] for x in r["accumulators"]]
        need(names == sorted(set(names)), "accumulators are not by name", names)
        need(bool(r["samples"]) == bool(a.stage["output"].get("sample")), "samples of", a.key)
        if r["cut"]:
            need(decode_all(self.doc, r["cut"], "Cut")["piece"] < len(a.pieces) and a.stage["resumable"], "a cut")
        check = {"shuffle": self._check_shuffle, "result": self._check_result, "sample": self._check_sample}
        check.get(kind, lambda a: need(kind == "file" or r["fingerprint"] == r["records"], "fingerprint of a count"))(a)

    def _check_shuffle(self, a):
        r, o = a.reply, self.objects[a.name]
        if r["index_name"]:
            need(r["index_name"].decode() == a.name + ".index", "name of an index", r["index_name"])
        index = r["index"] or unsealed(self.doc, self.files[r["index_name"].decode()])
        need((len(index) <= a.request["inline_limit"]) == bool(r["index"]), "an index of", len(index), "bytes")
        need(index == o.index_bytes, "index of the reply and of the object")
        need(r["object_bytes"] == len(self.files[a.name]), "object_bytes")
        self._check_content(a, o)
        need(o.index["partitions"] == a.stage["output"]["partitions"], "partitions of plan and object")

    def _check_result(self, a):
        r = a.reply
        need(not r["result"] or len(r["result"]) <= a.request["inline_limit"], "an inline result of", len(r["result"]))
        need(not (r["result"] and r["object_bytes"]), "a result both inline and stored")
        if not r["records"]:
            need(not r["result"] and not r["object_bytes"] and not r["fingerprint"], "an empty result left something")
        elif r["result"]:
            self.objects[a.name] = Object(self.doc, r["result"])
        if r["records"]:
            self._check_content(a, self.objects[a.name])
            need(self.objects[a.name].index["partitions"] == 1, "partitions of a result")

    def _check_content(self, a, o):
        need(o.index["fingerprint"] == a.reply["fingerprint"], "fingerprint of the reply and of the object")
        need(len(o.rows()) == a.reply["records"], "records of the reply and of the object")
        for kind, side in zip(o.kinds, ("key_type", "value_type")):
            need(a.stage["output"][side].split("(")[0] == kind, "kinds of plan and object")

    def _check_sample(self, a):
        need(a.reply["fingerprint"] == xxh3(a.reply["samples"]), "fingerprint of a sample")

    # ---- what tasks read ----

    def legs(self, stage):
        """The winners of a stage by (task, leg)."""
        return [self.winners[key] for key in sorted(self.winners) if key[0] == stage]

    def _index(self, stage):
        """[(task, leg, attempt, index)] of a producer, which may be records that the host handed in."""
        if self.legs(stage):
            return [(*a.key[1:], a.request["attempt"], self.objects[a.name].index) for a in self.legs(stage)]
        o = next(o for o in self.objects.values() if o.header["stage"] == stage and not o.header["attempt"])
        return [(0, 0, 0, o.index)]

    def _check_input(self, a):
        """The extents that a task reads, which must be what its producers wrote; and its splits. Returns all extents."""
        q, read = a.request, []
        if q["pieces_name"]:
            need(q["pieces_name"].decode() == a.name + ".pieces", "name of a list", q["pieces_name"])
        need(a.pieces, "a task without pieces")
        for piece in a.pieces:
            branch = a.stage["branches"][piece["branch"]]
            inputs = leaves_of(branch)
            need(len(inputs) == len(piece["leaves"]), "leaves of a piece", piece)
            for source, leaf in zip(inputs, piece["leaves"]):
                need(source["source"] == leaf["stage"], "the stage of a leaf", leaf)
                read += self._check_leaf(a, leaf, piece["partition"])
            kind, split = branch["input"]["kind"], piece["split"]
            need(bool(split) == (kind in ("files", "range")), "a split for an input of", kind)
            if kind == "files":
                self._check_split(split)
        need(len(a.sides) == len(a.stage["sides"]), "sides of", a.key)
        for side, leaf in zip(a.stage["sides"], a.sides):
            need(side["source"] == leaf["stage"], "the stage of a side", leaf)
            read += self._check_leaf(a, leaf, 0)
        return read

    @staticmethod
    def _check_split(split):
        path = split["path"]
        need(split["file_size"] == os.path.getsize(path) >= split["offset"] + split["length"], "a split of", path)
        need(split["file_mtime_ns"] == os.stat(path).st_mtime_ns, "the file's time")
        need(not split["codec"], "a codec of", path)

    def _check_leaf(self, a, leaf, partition):
        expected = [{"task": task, "leg": leg, "attempt": attempt, **{n: v for n, v in x.items() if n in (
            "offset", "stored", "raw", "records", "max_raw")}}
            for task, leg, attempt, index in self._index(leaf["stage"]) for x in index["extents"]
            if x["partition"] == partition]
        need(leaf["extents"] == expected, "extents of", a.key, leaf["extents"], "expected", expected)
        return expected

    def _check_counters(self, a):
        """Counters against what else is known of the attempt."""
        c, r, kind = a.reply["counters"], a.reply, a.output()
        need(a.request["lease_ms"] > 1.5e12 and not a.request["cut_ms"], "lease and cut of a request")
        need(0 < c["peak_memory"] <= 2 * a.request["memory"], "peak_memory", c["peak_memory"])
        need(c["peak_rss"] > c["peak_memory"] and c["peak_rss"] % 1024 == 0, "peak_rss", c["peak_rss"])
        need(not c["store_throttled"] and (c["spills"] == 0) == (c["spilled_bytes"] == 0), "throttling and spills")
        need(c["spilled_bytes"] >= 32 * c["spills"], "bytes of spills", c["spilled_bytes"])
        if r["failure"]:
            return
        shuffled = kind == "shuffle"
        stored = sum(x["stored"] for x in self.objects[a.name].extents) if shuffled else 0
        need(c["shuffle_records_out"] == (r["records"] if shuffled else 0), "shuffle_records_out", c)
        need(stored <= c["shuffle_bytes_out"] <= stored + 24 * 4096, "shuffle_bytes_out", c, stored)
        need(c["records_out"] == (0 if kind in ("shuffle", "sample") else r["records"]), "records_out", c)
        need(c["bytes_written"] == r["file_bytes"] + len(r["result"]) + (0 if shuffled else r["object_bytes"]),
             "bytes_written", c)
        if a.request["limit"] == LIMIT_NONE:
            need(c["shuffle_records_in"] == sum(x["records"] for x in a.inputs), "shuffle_records_in", c)
            need(c["shuffle_bytes_in"] == sum(x["stored"] for x in a.inputs), "shuffle_bytes_in", c)
        need(bool(c["records_in"]) == (a.reads("files") or a.reads("range")), "what was read from sources", c)
        need(bool(c["bytes_read"]) == a.reads("files"), "bytes that were read from files", c)
        need(bool(c["store_reads"]) >= bool(a.inputs), "store_reads", c)
        need((c["store_writes"] > 0) == bool(r["object_bytes"]) or c["spills"], "store_writes", c)

    def stages(self, label):
        """(stage, its winners) of the stages that write for an operator of that name."""
        found = {}
        for a in self.winners.values():
            if a.output() in ("shuffle", "sample") and a.stage["output"]["label"].split(" ")[-1] == label:
                found[a.stage["id"]] = a.stage
        need(found, "no stage writes for", label)
        return [(stage, self.legs(number)) for number, stage in sorted(found.items())]

    def object(self, attempt):
        return self.objects[attempt.name]
