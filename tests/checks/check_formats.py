#!/usr/bin/env python3
"""Holds docs/formats.md against what the library writes: a reader of its own, driven by the tables of that page.

Runs tests/programs/formats_dump on input made here, decodes every request, reply, plan and object, and compares the
records with that input; then is a driver itself, to a worker process. BUILD names the build folder.
"""
import base64
import collections
import contextlib
import gzip
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

from formats_data import Object, encode_item, order_of, partition_of, canonical, sorted_rows  # noqa: E402
from formats_doc import Doc, Wrong, decode_all, need  # noqa: E402
from formats_hash import xxh3  # noqa: E402
from formats_plan import PlanCheck  # noqa: E402
from formats_wire import Dump  # noqa: E402
from formats_worker import PROGRAM, ROOT, check_worker  # noqa: E402

SMALL = {"SDF_MEMORY": "1M", "SDF_SPLIT_BYTES": "16K", "SDF_CUT_RECORDS": "300", "SDF_INLINE_LIMIT": "300",
         "SDF_BLOCK_BYTES": "4K", "SDF_RETRIES": "0"}
LARGE = {"SDF_MEMORY": "64M", "SDF_BLOCK_BYTES": "256K", "SDF_RETRIES": "0"}
NUMBERS, MANY = 1000, 400  # of formats_dump.c
LINES = 1200


def i64(value):
    return struct.pack("<q", value)


# ---- the page itself, and the vectors ----

def check_links(doc, text):
    headings = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)}
    for link in re.findall(r"\(#([^)]*)\)", text):
        need(link in headings, "docs/formats.md: a dead link:", link)


def value_of(written):
    """A value of keys.json."""
    kind = written[0]
    if kind == "tuple":
        return tuple(map(value_of, written[1]))
    if kind == "f64":
        return struct.unpack(">d", bytes.fromhex(written[1]))[0]
    return {"null": lambda: None, "i64": lambda: int(written[1]), "bytes": lambda: bytes.fromhex(written[1])}[kind]()


def check_vectors(doc, text):
    for v in json.load(open("tests/vectors/keys.json"))["vectors"]:
        need(encode_item(value_of(v["value"])).hex() == v["hex"], "the encoding of", v)
    for v in json.load(open("tests/vectors/partition.json"))["vectors"]:
        raw = bytes.fromhex(v["raw"])
        need("%016x" % xxh3(canonical(v["type"], raw)) == v["hash"], "the hash of", v)
        for n, partition in v["partition"].items():
            need(partition_of(v["type"], raw, int(n)) == partition, "the partition of", v)
    section = text.split("## Ordered encoding")[1].split("\n## ")[0]
    examples = {"3, as i64 or f64": 3, "-1.5": -1.5, "2^53 + 1": 2**53 + 1, '(7, "x")': (7, b"x")}
    for name, value in examples.items():
        hexes = re.search(re.escape(f"| {name} | `") + "([0-9a-f ]*)`", section).group(1)
        need(bytes.fromhex(hexes) == encode_item(value), "docs/formats.md: the example", name)


def check_examples(doc, text, plan_check):
    section = text.split("### Example\n")[1].split("\n## ")[0]
    data = b"".join(bytes.fromhex(line[4:54].strip().split("   ")[0]) for line in section.splitlines()
                    if re.match("    [0-9a-f]{2} ", line))
    o = Object(doc, data)
    rows = [(b"a", 1), (b"bc", 2), (b"def", 300)]
    need(o.rows(1) == o.rows() == [(k, i64(v)) for k, v in rows], "docs/formats.md: the example's records")
    need((o.header["context"], o.header["stage"], o.header["task"], o.header["attempt"]) == (0xABC, 3, 7, 42),
         "docs/formats.md: the example's ids")
    section = text.split("### Plan: example")[1].split("\n## ")[0]
    lines = [line[4:].strip() for line in section.splitlines() if line.startswith("    ")]
    PlanCheck(doc).plan("".join(lines).encode())


def check_plans(plan_check):
    """Plans of every kind, made at random."""
    with tempfile.TemporaryDirectory(prefix="sdf-formats-") as folder:
        program = os.path.join(os.environ.get("BUILD", "build"), "tests/unit/spec/test_plan")
        need(subprocess.run([program, folder], check=False).returncode == 0, program, "failed")
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as f:
                plan_check.plan(f.read())


# ---- jobs ----

@contextlib.contextmanager
def dumped(settings, *sets):
    """Runs formats_dump in a fresh folder with lines, records and the sets given; yields the folder while it waits."""
    folder = tempfile.mkdtemp(prefix="sdf-formats-")
    try:
        for name in ("wire", "scratch"):
            os.mkdir(os.path.join(folder, name))
        rng = random.Random(5)
        with open(os.path.join(folder, "lines.txt"), "wb") as f:
            f.write(b"".join(b" ".join(b"w%d" % (rng.randrange(900) ** 2 // 900) for _ in range(8)) + b"\n"
                             for _ in range(LINES)))
        with open(os.path.join(folder, "rows.csv"), "wb") as f:
            f.write(b"a,b\n" + b"".join(b'%d,"%s\n' % (i, b'open \xff' if i % 40 == 7 else b'shut"') for i in range(3000)))
        with open(os.path.join(folder, "records.bin"), "wb") as f:
            f.write(b"".join(rng.randbytes(16) if i % 3 else b"\0" * 16 for i in range(3000)))
        for name, _, _, rows in sets:
            with open(os.path.join(folder, name), "wb") as f:
                f.write(b"".join(struct.pack("<I", len(side)) + side for row in rows for side in row))
        env = {**{k: v for k, v in os.environ.items() if not k.startswith("SDF_")}, **settings,
               "SDF_SCRATCH": os.path.join(folder, "scratch")}
        args = [PROGRAM, folder, *(f"{name}:{key}:{value}" for name, key, value, _ in sets)]
        with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as program:
            need(program.stdout.readline() == b"ready\n", "formats_dump failed")
            yield folder
            program.stdin.close()
            need(program.wait(60) == 0, "formats_dump exits with", program.returncode)
        left = [name for _, _, names in os.walk(os.path.join(folder, "store")) for name in names]
        need(not left, "a closed context leaves objects:", left[:5])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def vector_sets():
    """The keys of partition.json, a set for each type, so that each lands in the partition that is written there."""
    by_type = collections.defaultdict(list)
    for v in json.load(open("tests/vectors/partition.json"))["vectors"]:
        by_type[v["type"]].append(bytes.fromhex(v["raw"]))
    return [(f"keys-{i}", kind, "i64", [(key, i64(n)) for n, key in enumerate(keys)])
            for i, (kind, keys) in enumerate(sorted(by_type.items()))]


def layout_sets(rng):
    """A set for each layout of a column, with as many records as make several blocks."""
    key = lambda n: b"k%d" % n
    value = {
        "empty": ("bytes", lambda n: b""), "null": ("null", lambda n: b""), "const": ("bytes", lambda n: b"always"),
        "fixed": ("bytes", lambda n: rng.randbytes(5)), "var8": ("bytes", lambda n: rng.randbytes(rng.randrange(30))),
        "var16": ("bytes", lambda n: b"ab" * rng.randrange(900)),
        "var32": ("bytes", lambda n: bytes(70000 if n % 50 == 0 else n % 9)),
        "int8": ("i64", lambda n: i64(rng.randrange(-128, 128))), "int16": ("i64", lambda n: i64(n * 30 - 9000)),
        "int32": ("i64", lambda n: i64((n - 300) * 7000000)), "int64": ("i64", lambda n: i64(n << 50)),
        "same-i64": ("i64", lambda n: i64(-1)), "f64": ("f64", lambda n: struct.pack("<d", n / 7)),
        "same-f64": ("f64", lambda n: struct.pack("<d", 2.5)),
        "any": ("any", lambda n: encode_item((n, (None, b"x\0y", n / 3))))}
    return [(name, "bytes", kind, [(key(n), make(n)) for n in range(600)]) for name, (kind, make) in value.items()]


def check_set(dump, name, kind, value_kind, rows):
    """A set as it was handed in, and by partition."""
    (stage, writers), = dump.stages(name)
    source = [o for o in dump.objects.values()
              if o.header["stage"] == stage["branches"][0]["input"]["source"] and not o.header["attempt"]]
    need(len(source) == 1 and source[0].rows() == rows, "records that were handed in:", name)
    seen = []
    for a in writers:
        o = dump.object(a)
        for x in o.extents:
            for key, _ in x["rows"]:
                need(partition_of(kind, key, 7) == x["partition"] and key == canonical(kind, key), "the place of", key)
        seen += o.rows()
    need(sorted(seen) == sorted((canonical(kind, k), v) for k, v in rows), "records that were shuffled:", name)


def check_sets(doc, plan_check):
    rng = random.Random(7)
    layouts, codecs = set(), set()
    sets = vector_sets() + layout_sets(rng)
    with dumped(LARGE, *sets) as folder:
        dump = Dump(doc, folder, plan_check)
        for one in sets:
            check_set(dump, *one)
        for o in dump.objects.values():
            layouts |= o.layouts
            codecs |= o.codecs
    numbers = {int(row["layout"]) for row in doc.table("Payload", "layout")}
    need({layout for _, layout in layouts} == numbers, "layouts that were met:", sorted(layouts))
    need({kind for kind, _ in layouts} == {row["kind"] for row in doc.table("Types and raw values", "kind")}, "kinds")
    need(codecs == {0, 1}, "codecs that were met:", codecs)


def check_runs(doc, plan_check):
    """More than the memory holds: several runs in an object, not compressed."""
    rng = random.Random(9)
    big = ("big", "i64", "bytes", [(i64(rng.randrange(1 << 40)), rng.randbytes(60)) for _ in range(30000)])
    with dumped({**SMALL, "SDF_COMPRESSION": "none"}, big) as folder:
        dump = Dump(doc, folder, plan_check)
        check_set(dump, *big)
        writers = dump.stages("big")[0][1]
        runs = [dump.object(a).runs() for a in writers]
        need(max(runs) > 1, "runs of objects:", runs)
        need(any(a.reply["index_name"] for a in writers), "no index in an object of its own")
        need(any(a.reply["counters"]["spills"] > 1 for a in dump.attempts), "nothing was spilled")


# ---- what the jobs of formats_dump.c give ----

def check_counts(dump, words):
    """The shuffle of a word count: states by key, each in its partition; and the text that came out of it."""
    (stage, writers), = dump.stages("counts")
    need(stage["output"]["combine"]["function"].startswith("sdf.sum"), "the combiner of a word count")
    counts = collections.Counter()
    for a in writers:
        for x in dump.object(a).extents:
            for key, value in x["rows"]:
                need(partition_of("bytes", key, 3) == x["partition"], "the place of", key)
                counts[key] += struct.unpack("<q", value)[0]
    need(counts == words, "counts in the shuffle objects")
    need(any(a.key[2] for a in writers), "no task has several legs")
    check_cuts(dump, writers)
    need(sum(a.reply["counters"]["records_in"] for a in writers) == LINES, "lines that were read")
    lines = b"".join(check_output(dump, "counts")).splitlines()
    need(collections.Counter({k: int(v) for k, v in (line.split(b"\t") for line in lines)}) == words, "counts as text")


def check_cuts(dump, writers):
    """A leg begins where the one before it was cut."""
    for a in writers:
        stage, task, leg = a.key
        before = dump.winners[stage, task, leg - 1].reply["cut"] if leg else b""
        need(a.request["cut_start"] == before and not a.request["cut_end"], "cut_start of", a.key)
        need(bool(a.reply["cut"]) == ((stage, task, leg + 1) in dump.winners), "a leg follows a cut", a.key)
        if a.reply["cut"]:
            cut = decode_all(dump.doc, a.reply["cut"], "Cut")
            with open(a.pieces[cut["piece"]]["split"]["path"], "rb") as f:
                f.seek(max(cut["position"] - 2, 0))
                need(not cut["position"] or f.read(1) == b"\n", "a cut is not where a line begins:", cut)


def check_output(dump, name):
    """An output folder against its manifest and the replies; the parts' bytes in order."""
    place = os.fsencode(os.path.join(dump.folder, name)) if isinstance(name, str) else os.path.join(
        os.fsencode(dump.folder), name)
    manifest = json.load(open(os.path.join(place, b"_SUCCESS")))
    for heading, value in [("Output folder", manifest), *(("Part", part) for part in manifest["parts"])]:
        need(list(value) == [f for f, _, _ in dump.doc.fields(heading)], heading, "has", list(value))
    need((manifest["format"], manifest["version"]) == ("sdf-manifest", 1), "format and version of a manifest")
    names = [part["name"] for part in manifest["parts"]]
    need(names == sorted(names) and sorted(os.listdir(place)) == sorted([b"_SUCCESS", *map(os.fsencode, names)]),
         "parts in the manifest and in the folder", names)
    writers = {a.reply["file_final"].decode(): a for a in dump.winners.values()
               if a.output() == "file" and os.path.basename(uri_of(a.stage["output"])) == os.path.basename(place)}
    parts = []
    for part in manifest["parts"]:
        with open(os.path.join(place, os.fsencode(part["name"])), "rb") as f:
            parts.append(f.read())
        a = writers.pop(part["name"])
        stage, task, leg = a.key
        need(part["name"] == f"part-{task:05}" + (f"_{leg:04}" if leg else ""), "the name of a part", part)
        temp = f"{a.request['output_token'].decode()}-s{stage}-t{task}-l{leg}-a{a.request['attempt']}"
        need(a.reply["file_temp"].decode() == temp, "file_temp", a.reply["file_temp"])
        need(part["bytes"] == a.reply["file_bytes"] == len(parts[-1]), "bytes of", part)
        need(part["records"] == a.reply["records"], "records of", part)
        need(a.reply["fingerprint"] == xxh3(struct.pack("<QQ", xxh3(parts[-1]), part["records"])), "fingerprint of", part)
    need(not writers, "parts that are not in the manifest:", list(writers))
    return parts


def uri_of(output):
    return output["uri"].encode() if "uri" in output else base64.b64decode(output["uri_base64"])


def splitters_of(dump, request):
    need(request["splitters"], "no splitters for", request["stage"])
    return decode_all(dump.doc, request["splitters"], "Splitters")


def check_sorted(dump, records):
    """Binary records sorted: sample, range partition by splitters, merged parts."""
    stages = dump.stages("sorted")
    (sampling, samplers), (stage, writers) = stages
    need([s["output"]["kind"] for s, _ in stages] == ["sample", "shuffle"], "stages of a sort")
    keys = {record[:10] for record in records}
    for a in samplers:
        samples = decode_all(dump.doc, a.reply["samples"], "Samples")
        need(set(samples["keys"]) <= keys and samples["keys"], "sampled keys")
        need(samples["weight"] >= len(samples["keys"]), "weight of a sample", samples["weight"])
    seen = []
    for a in writers:
        check_range(dump, a, "bytes", False)
        seen += [k + v for k, v in dump.object(a).rows()]
    need(sorted(seen) == sorted(records), "records in the shuffle objects")
    out = b"".join(check_output(dump, "sorted"))
    got = [out[i:i + 16] for i in range(0, len(out), 16)]
    need(got == sorted(records, key=lambda r: r[:10]), "sorted records (stable: by key alone)")


def check_range(dump, a, kind, descending):
    """Where the splitters put the keys of an object, and their order in its extents."""
    splitters = splitters_of(dump, a.request)
    order = order_of(kind)
    bounds = [order(key) for key in splitters["keys"]]
    need(all(x < y for x, y in zip(bounds, bounds[1:])), "splitters do not ascend")
    need(len(bounds) < a.stage["output"]["partitions"], "too many splitters")
    for x in dump.object(a).extents:
        need(sorted_rows(kind, x["rows"], descending), "an extent is not sorted")
        for key, _ in x["rows"]:
            below = sum(bound <= order(key) for bound in bounds)
            need(x["partition"] == (len(bounds) - below if descending else below), "the partition of", key)


def check_words_down(dump, words):
    """A sort behind a shuffle: materialised where it was made, then partitioned by range, descending."""
    (kept, keepers), (stage, writers) = dump.stages("words-down")
    need(kept["output"]["partitioner"] == "forward" and stage["bound_by"] == kept["id"], "stages of a sort", kept)
    for a in keepers:
        need({x["partition"] for x in dump.object(a).extents} <= {a.request["task"]}, "a forwarded partition")
    seen = []
    for a in writers:
        check_range(dump, a, "bytes", True)
        seen += dump.object(a).rows()
    need({k: struct.unpack("<q", v)[0] for k, v in seen} == words and len(seen) == len(words), "words in the objects")


def results_of(dump, key_type, value_type, ops):
    """Records of the result stages of this shape, by task and leg."""
    winners = [a for _, a in sorted(dump.winners.items()) if a.output() == "result" and len(a.ops()) == ops
               and (a.stage["output"]["key_type"], a.stage["output"]["value_type"]) == (key_type, value_type)]
    return [row for a in winners if a.reply["records"] for row in dump.object(a).rows()], winners


def collected(dump, name):
    """Records of the job that collected an operator of that name, by task and leg; and its winners."""
    winners = [a for _, a in sorted(dump.winners.items())
               if a.output() == "result" and a.stage["output"]["label"].split(" ")[-1] == name]
    need(winners, "nothing was collected of", name)
    return [row for a in winners if a.reply["records"] for row in dump.object(a).rows()], winners


def check_joins(dump):
    """Both ways to join, against all pairs; a union in order, numbered."""
    left, right = [(n % 10, n) for n in range(NUMBERS)], [(n % 10, n) for n in range(0, 40, 2)]
    inner = [(i64(k), encode_item((x, y))) for k, x in left for at, y in right if at == k]
    outer = inner + [(i64(k), encode_item((x, None))) for k, x in left if k % 2]
    rows, winners = collected(dump, "joined")
    source = winners[0].stage["branches"][0]["input"]
    need((source["how"], len(source["sources"])) == ("left", 2), "the input of a join", source)
    need(sorted(rows) == sorted(outer), "records that were joined")
    rows, winners = collected(dump, "tabled")
    need([op["kind"] for op in winners[0].ops()][-1] == "lookup" and len(winners[0].sides) == 1, "a join with a table")
    need(sorted(rows) == sorted(inner), "records that were joined with a table")
    rows, winners = collected(dump, "indexed")
    values = [*range(NUMBERS), -1, -2, -3, -4]
    need(rows == [(i64(n), i64(i)) for i, n in enumerate(values)], "numbered records")
    starts = [a.pieces[0]["start"] for a in winners]
    need(starts == sorted(starts) and starts[0] == 0 < starts[-1] < len(values), "starts of pieces", starts)


def check_diverted(dump):
    """Rows of a compressed output, and those that were diverted from it."""
    place = os.path.join(dump.folder, "rows")
    data = open(os.path.join(dump.folder, "rows.csv"), "rb").read()
    lines, bad, good, at = data.splitlines(), [], [], 0
    for i, line in enumerate(lines):
        if i:
            (bad if line.count(b'"') % 2 else good).append((at, line))
        at += len(line) + 1
    need(bad and good, "rows.csv")
    rows, errors = [], []
    for part in json.load(open(os.path.join(place, "_SUCCESS")))["parts"]:
        content = open(os.path.join(place, part["name"]), "rb").read()
        need(len(content) == part["bytes"], "bytes of", part)
        if not part["name"].startswith("_errors/"):
            rows += gzip.decompress(content).splitlines()
            continue
        need(re.fullmatch(r"_errors/s\d+-t\d+-l\d+\.jsonl", part["name"]), "the name of", part)
        errors += map(json.loads, content.splitlines())
    need(rows == [line for _, line in good], "rows")
    fields = dump.doc.fields("Diverted records")
    for error in errors:
        need(list(error) == [name for name, form, _ in fields if "optional" not in form or name in error], error)
    got = [(e["offset"], e["record"].encode() if "record" in e else base64.b64decode(e["record_base64"]))
           for e in errors]
    need(sorted(got) == bad and {e["source"] for e in errors} == {os.path.join(dump.folder, "rows.csv")}, "diverted", errors)
    replies = [a.reply for a in dump.winners.values() if a.reply["errors_temp"]]
    need(sum(r["errors_records"] for r in replies) == len(bad) == sum(r["counters"]["record_errors"] for r in replies),
         "diverted records of the replies")
    need(sum(x["value"] for r in replies for x in r["accumulators"]) == len(bad), "accumulators of record errors")


def check_shared(dump):
    """What tasks read by name and counted, and the one file that they wrote."""
    with open(os.path.join(dump.folder, "greetings.json"), "rb") as f:
        need(f.read() == b'{"text":"hello"}\n' * NUMBERS, "greetings.json")
    broadcast, = {name for name in dump.files if re.fullmatch(r"sdf-[0-9a-f]{16}/b\d+", name)}
    told, = {(b["id"], b["bytes"], int(b["digest"])) for plan in dump.plans.values() for b in plan["broadcasts"]}
    data = dump.files[broadcast]
    need(data == b"hello" and told == (int(broadcast.split("/b")[1]), 5, xxh3(data)), "a broadcast", told)
    counted = [x["value"] for a in dump.winners.values() for x in a.reply["accumulators"] if x["name"] == b"shared"]
    need(sum(counted) == 2 * NUMBERS, "an accumulator", counted)


def check_failure(dump):
    """The one attempt whose function failed says so."""
    failed, = [a for a in dump.attempts if a.reply["failure"]]
    error = failed.reply["error"]
    need(failed.reply["failure"] == 6 and error["code"] == -15, "a function's failure", failed.reply)
    need(error["message"].endswith(b"7 is not wanted here"), "its message", error)
    where = {"stage": failed.key[0], "partition": 0, "attempt": failed.request["attempt"], "function": b"not_seven",
             "operator": failed.ops()[0]["call"]["label"].encode(), "log": b"", "retriable": 0}
    need(where.items() <= error.items(), "where it failed", error, where)


def check_jobs(doc, plan_check):
    with dumped(SMALL) as folder:
        dump = Dump(doc, folder, plan_check)
        lines = open(os.path.join(folder, "lines.txt"), "rb").read()
        words = collections.Counter(lines.split())
        records = open(os.path.join(folder, "records.bin"), "rb").read()
        check_counts(dump, words)
        text = b"".join(check_output(dump, b"not-utf8-\xff"))
        need(text == b"".join(word + b"\t1\n" for word in lines.split()), "words as text, in order")
        check_sorted(dump, [records[i:i + 16] for i in range(0, len(records), 16)])
        check_words_down(dump, words)
        rows, winners = results_of(dump, "null", "i64", 3)
        need(rows == [(b"", i64(n)) for n in range(0, NUMBERS, 2)], "numbers that went through")
        need([op["kind"] for op in winners[0].ops()] == ["map", "filter", "batch"], "operators")
        need(winners[0].ops()[2]["call"]["arg"] == "YW4gYXJndW1lbnQA/w==", "an argument")
        rows, winners = results_of(dump, "null", "i64", 0)
        need(rows == [(b"", i64(n)) for n in range(5)] and winners[0].request["limit"] == 5, "a result with a limit")
        need(any(a.reply["result"] for a in dump.attempts) and any(
            a.output() == "result" and a.reply["object_bytes"] for a in dump.attempts), "results inline and stored")
        many = [a for a in dump.attempts if a.request["pieces_name"]]
        need(many and dump.stages("many")[0][0]["tasks"] == MANY, "no list of pieces in an object")
        need(any(not a.request["plan_inline"] for a in dump.attempts), "no plan in the store")
        check_failure(dump)
        check_joins(dump)
        check_diverted(dump)
        check_shared(dump)
        total = collections.Counter()
        for a in dump.attempts:
            total.update(a.reply["counters"])
        need(0 < total["cpu_us"] <= total["wall_us"], "time of tasks", total)
        need(total["records_in"] < total["bytes_read"], "bytes of records", total)
        check_worker(doc, folder, lines)


def main():
    os.chdir(ROOT)
    doc, text = Doc("docs/formats.md"), open("docs/formats.md", encoding="utf-8").read()
    plan_check = PlanCheck(doc)
    try:
        check_links(doc, text)
        check_vectors(doc, text)
        check_examples(doc, text, plan_check)
        check_plans(plan_check)
        check_jobs(doc, plan_check)
        check_sets(doc, plan_check)
        check_runs(doc, plan_check)
        plan_check.finish(open("lib/spec/plan_decode.c", encoding="utf-8").read())
    except Wrong as why:
        print(f"docs/formats.md and the library differ: {why}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
