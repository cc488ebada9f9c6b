"""The examples that query tables, against programs that share no code with the library."""
import bz2
import gzip
import json
import math
import random
import shutil
import subprocess

import tables
from support import example, files_below, path, read_parts, run, start, words_text, write

PLACES = [("threads:2", "mem:"), ("process:2", "file:{}")]


def place(i):
    transport, store = PLACES[i % len(PLACES)]
    return ["--transport", transport, "--store", store.format(path("store"))]


def parse(out):
    lines = [line.split("\t") for line in out.decode().splitlines()]
    assert all(len(line) == 2 for line in lines), lines
    return lines


# ---- taxi ----

def check_taxi(query, yellow, green=(), weather=None, options=(), files=None):
    args = [query, *(files or [write(f"yellow{i}.csv", t) for i, t in enumerate(yellow)])]
    for i, text in enumerate(green):
        args += ["--green", write(f"green{i}.csv", text)]
    if weather is not None:
        args += ["--weather", write("weather.tsv", weather)]
    out, _ = run("taxi", *options, *args)
    got = parse(out)
    want = tables.taxi_oracle(query, yellow, green, weather)
    assert [k for k, _ in got] == sorted((k for k, _ in got), key=str.encode), "not sorted by key"
    assert {k: int(v) for k, v in got} == dict(want), query
    assert sum(want.values()) > 0


def test_taxi_all_queries():
    yellow = [tables.trips(1, 6000), tables.trips(2, 50, ending="\r\n"), tables.trips(3, 0)]
    green = [tables.trips(4, 2000, tables.GREEN)]
    weather = tables.weather(5)
    for i, query in enumerate(["Q0", "Q1", "Q2", "Q3", "Q4", "Q5", "Q6"] * 2):
        check_taxi(query, yellow, green, weather, [*place(i), "--split", "50000" if i % 3 else "64M", "--partitions", 1 + i % 4])


def test_taxi_small_memory_and_two_levels():
    yellow = [tables.trips(11, 5000)]
    for memory in ("8M", "64M"):
        check_taxi("Q4", yellow, options=["--memory", memory, "--split", "20000", "--set", "exchange=two", "--partitions", 9])


def test_taxi_compressed():
    plain = tables.trips(12, 3000)
    cut = plain.index(b"\n", len(plain) // 2) + 1
    files = [write("a.csv.gz", gzip.compress(plain[:cut]) + gzip.compress(plain[cut:]))]  # two members
    check_taxi("Q1", [plain], files=files)
    check_taxi("Q1", [plain], files=[write("a.csv.bz2", bz2.compress(plain))])
    for tool, suffix in (("zstd", "zst"), ("lz4", "lz4")):
        if shutil.which(tool):
            packed = subprocess.run([tool, "-c"], input=plain, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
            check_taxi("Q1", [plain], files=[write("a.csv." + suffix, packed)])


def test_taxi_counts_what_it_skips():
    out, err = run("taxi", "Q1", "--summary", write("a.csv", tables.trips(13, 2000, junk=0.2)))
    assert b"record errors" in err, err


def test_taxi_mistakes():
    good = write("a.csv", tables.trips(14, 10))
    for args, words in [(["Q9", good], "Q9"), (["Q6", good], "--weather"), (["Q1"], "argument"),
                        (["Q1", write("b.csv", b"a,b,dropoff_longitud\n1,2,3\n")], "dropoff_longitud"),
                        (["Q5", good, "--green", good], "lpep_pickup_datetime")]:
        p = subprocess.run([example("taxi"), *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
        assert p.returncode in (1, 2) and words in p.stderr.decode(), (args, p.stderr.decode())


# ---- h2o ----

def test_groupby():
    text = tables.h2o(21, 20000)
    file = write("g.csv", text)
    for i, query in enumerate(("q1", "q3", "q10")):
        for memory in ("8M", "512M"):
            out, _ = run("groupby", *place(i), "--memory", memory, "--split", "200000", query, file)
            want = tables.h2o_oracle(query, text)
            lines = [line.split("\t") for line in out.decode().splitlines()]
            assert len(lines) == len(want)
            for *key, a in lines if query == "q1" else ():
                assert int(a) == want[tuple(key)][0]
            for *key, a, b in lines if query != "q1" else ():
                v1, v3, count = want[tuple(key)]
                pair = (v1, v3 / count) if query == "q3" else (v3, count)
                assert math.isclose(float(a), pair[0], rel_tol=1e-12) and math.isclose(float(b), pair[1], rel_tol=1e-12), (key, a, b, pair)


# ---- join ----

def test_join_all_ways():
    left, right = tables.pairs(31, 1500, 300, "l"), tables.pairs(32, 400, 400, "r")
    files = [write("l.txt", tables.pair_lines(left)), write("r.txt", tables.pair_lines(right))]
    for i, how in enumerate(["inner", "left", "right", "full"] * 2):
        options = ["--set", "broadcast_bytes=" + ("0", "1M")[i // 4], "--memory", ("8M", "64M")[i % 2], "--split", "5000"]
        out, _ = run("join", *place(i), *options, "--how", how, *files)
        assert sorted(out.decode().splitlines()) == tables.join_oracle(left, right, how), how


def test_join_giant_keys():
    """One key has thousands of values on both sides: the product streams through a small memory."""
    left = [("giant", "l" * 50 + str(i)) for i in range(1500)] + [("a", "1")]
    right = [("giant", "r" * 50 + str(i)) for i in range(700)] + [("b", "2")]
    files = [write("l.txt", tables.pair_lines(left)), write("r.txt", tables.pair_lines(right))]
    out, _ = run("join", "--memory", "8M", "--set", "broadcast_bytes=0", "--how", "full", *files)
    assert sorted(out.decode().splitlines()) == tables.join_oracle(left, right, "full")


def test_join_bad_line():
    files = [write("l.txt", b"a\t1\nno tab here\n"), write("r.txt", b"a\t2\n")]
    _, err = run("join", *files, expect=1)
    assert b"no tab" in err


# ---- grep, quantile, embed, custom_store ----

def test_grep_keeps_the_order():
    files = [write(f"{i}.txt", words_text(40 + i, 60000)) for i in range(3)]
    want = b"".join(line + b"\n" for f in files for line in open(f, "rb").read().split(b"\n")[:-1] if b"w1" in line and line.endswith(b"3"))
    for i in range(2):
        out, _ = run("grep", *place(i), "--split", "7000", "w1.*3$", *files)
        assert out == want
    out, _ = run("grep", "no such thing at all", *files)
    assert out == b""
    _, err = run("grep", "(unclosed", files[0], expect=1)
    assert b"unclosed" in err


def test_quantile():
    rng = random.Random(51)
    rows = [(f"k{rng.randrange(5)} \"x\"", rng.gauss(100, 20)) for _ in range(20000)]
    lines = "".join('"{}",{}\n'.format(k.replace('"', '""'), v) for k, v in rows)
    file = write("q.csv", f"group,v\n{lines}bad,row\n".encode())
    out, _ = run("quantile", "--key", "group", "--field", "v", "--split", "40000", file)
    got = json.loads(out)
    assert set(got) == {k for k, _ in rows}
    for key, value in got.items():
        values = sorted(v for k, v in rows if k == key)
        below = sum(v < value for v in values) / len(values)
        assert abs(below - 0.9) < 0.02, (key, below)
    assert json.loads(run("quantile", "--key", "group", "--field", "v", write("e.csv", b"group,v\n"))[0]) == {}


def test_embed_and_custom_store():
    file = write("a.txt", words_text(61, 200000))
    data = open(file, "rb").read()
    for i in range(2):
        out, _ = run("embed", *place(i), file)
        assert {k: int(v) for k, v in parse(out)} == {"lines": data.count(b"\n"), "words": len(data.split())}
    out, _ = run("custom_store", file)
    want, _ = run("wordcount", file)
    assert sorted(out.splitlines()) == sorted(want.splitlines())
    out, _ = run("custom_store", "--conformance", "yes")
    assert b"ok " in out and b"FAILED" not in out
    _, err = run("custom_store", "--transport", "process:1", file, expect=1)
    assert b"process" in err


# ---- outputs ----

def test_outputs_all_or_nothing():
    """A driver that is killed while it publishes leaves no _SUCCESS."""
    file = write("a.txt", words_text(71, 2_000_000))
    for delay in (0.05, 0.15, 0.3):
        out = path(f"out{delay}")
        p = start("wordcount", "--output", out, "--partitions", 40, "--split", "50000", file)
        try:
            p.wait(delay)
        except subprocess.TimeoutExpired:
            p.kill()
        p.communicate()
        names = [n for n in files_below(out) if n.endswith("_SUCCESS")]
        assert not names or read_parts(out)
    out = path("twice")
    run("wordcount", "--output", out, file)
    _, err = run("wordcount", "--output", out, file, expect=1)
    assert b"exists" in err or b"already" in err
