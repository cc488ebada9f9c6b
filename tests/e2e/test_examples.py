"""The examples against independent oracles, over transports, partitions, splits and budgets."""
import itertools
import os
import random
import subprocess

from support import (SANITIZE, count_oracle, example, files_below, parse_counts, path, read_parts, records, run, sort_oracle, start, words_text,
                     write)

TRANSPORTS = [("threads:1", "mem:"), ("threads:3", "mem:"), ("threads:2", "file:{}"), ("process:1", "file:{}"),
              ("process:2", "file:{}")]


def check_wordcount(files, *args, store=None):
    out, _ = run("wordcount", *args, *files)
    assert parse_counts(out) == count_oracle(*files)
    if store:
        assert files_below(store) == [], "the store is not empty after the job"


def test_wordcount_everywhere():
    files = [write("a.txt", words_text(1, 300_000)), write("b.txt", words_text(2, 50_000, ending=b"\r\n")), write("c.txt", b"")]
    for (transport, store), partitions, split in itertools.product(TRANSPORTS, (1, 7), ("20000", "64M")):
        folder = path("store")
        check_wordcount(files, "--transport", transport, "--store", store.format(folder), "--partitions", partitions, "--split", split,
                        store=folder if "file" in store else None)


def test_wordcount_small_budgets():
    files = [write("a.txt", words_text(3, 3_000_000, distinct=200_000))]
    for (transport, store), memory in itertools.product([TRANSPORTS[1], TRANSPORTS[4]], ("8M", "16M", "64M")):
        check_wordcount(files, "--transport", transport, "--store", store.format(path("store")), "--memory", memory, "--split", "500K")


def test_wordcount_edges():
    rng = random.Random(4)
    cases = {
        "empty": b"", "newline": b"\n", "one": b"x", "spaces": b"  \t \v\f\r\n \n", "no-newline": b"a b\na",
        "nul": b"a\0b a\0b\n\0\n", "garbage": rng.randbytes(200_000), "high": "grüße 東京 grüße\n".encode() * 1000,
        "one-line": b"word " * 50_000, "long-word": b"x" * 300_000 + b" y\n" + b"x" * 300_000, "crlf": b"a\r\nb\r\na\r\n",
        "lonely-cr": b"a\rb\rc", "newlines": b"\n" * 100_000,
    }
    for name, data in cases.items():
        file = write(name, data)
        for split in ("7", "4096", "1M") if len(data) < 1000 else ("50000", "1M"):
            check_wordcount([file], "--split", split, "--transport", "threads:2", "--store", "mem:")


def test_wordcount_folder_and_glob():
    names = [write(f"in/f{i}.txt", words_text(i, 2000)) for i in range(30)]
    write("in/_hidden", b"no no no")
    write("in/.hidden", b"no no no")
    out, _ = run("wordcount", path("in"))
    assert parse_counts(out) == count_oracle(*names)
    out, _ = run("wordcount", path("in/f1*.txt"))
    assert parse_counts(out) == count_oracle(*[n for n in names if "/f1" in n])


def test_wordcount_against_awk():
    file = write("a.txt", words_text(6, 200_000))
    awk = subprocess.run(["awk", '{for(i=1;i<=NF;i++)c[$i]++} END{for(w in c)printf "%s\\t%d\\n",w,c[w]}', file],
                         env={"LC_ALL": "C", "PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, check=True).stdout
    out, _ = run("wordcount", file)
    assert sorted(out.splitlines()) == sorted(awk.splitlines())


def test_wordcount_output_folder():
    file = write("a.txt", words_text(7, 100_000))
    out = path("deep/er/out")
    run("wordcount", "--transport", "process:2", "--partitions", 5, "--output", out, file)
    assert parse_counts(read_parts(out)) == count_oracle(file)


def test_wordcount_is_reproducible():
    """Equal plan, partitions and budget: equal bytes, wherever it runs."""
    file = write("a.txt", words_text(8, 400_000))
    args = ["--partitions", 4, "--split", "50000", "--memory", "64M"]
    outs = {run("wordcount", "--transport", t, "--store", s.format(path("store")), *args, file)[0] for t, s in TRANSPORTS if t != "threads:3"
            and not t.startswith("process:2")}
    again = run("wordcount", "--transport", "threads:1", "--store", "mem:", *args, file)[0]
    assert again in outs


def test_wordcount_top():
    file = write("a.txt", words_text(9, 50_000))
    out, _ = run("wordcount", "--top", 5, file)
    want = sorted(count_oracle(file).items(), key=lambda e: (-e[1], e[0]))[:5]
    got = [(f[2], int(f[1])) for f in (line.split() for line in out.splitlines()[1:])]
    assert got == want


def check_sort(data, *args):
    file = write("in.dat", data)
    out = path(f"out-{random.random()}")
    run("terasort", *args, file, "--output", out)
    assert read_parts(out) == sort_oracle(data)


def test_terasort_everywhere():
    data = records(10, 20_000)
    for (transport, store), partitions in itertools.product(TRANSPORTS, (1, 5)):
        check_sort(data, "--transport", transport, "--store", store.format(path("store")), "--partitions", partitions, "--split", "300000")


def test_terasort_keys():
    keys = {
        "equal": lambda r: b"same key 0", "two": lambda r: r.choice([b"a" * 10, b"b" * 10]), "skewed": lambda r: b"k" * 9 + bytes([int(r.paretovariate(1)) % 256]),
        "prefix": lambda r: b"commonpr" + r.randbytes(2), "zeros": lambda r: b"\0" * 9 + r.randbytes(1),
        "high": lambda r: b"\xff" * 8 + r.randbytes(2),
    }
    for seed, key in enumerate(keys.values()):
        check_sort(records(seed, 5000, key), "--partitions", 4, "--split", "50000", "--transport", "threads:2")
    up = b"".join(i.to_bytes(10, "big") + b"y" * 90 for i in range(5000))
    down = b"".join(i.to_bytes(10, "big") + b"y" * 90 for i in range(5000, 0, -1))
    for data in (b"", up[:100], up, down):
        check_sort(data, "--partitions", 3, "--split", "40000", "--transport", "threads:2")


def test_terasort_small_budgets():
    data = records(12, 300_000 if not SANITIZE else 60_000)
    for transport, store, memory in (("threads:2", "mem:", "8M"), ("process:2", f"file:{path('store')}", "8M"), ("threads:1", "mem:", "16M")):
        check_sort(data, "--transport", transport, "--store", store, "--memory", memory, "--partitions", 3, "--split", "4M")


def test_terasort_to_standard_output():
    data = records(13, 3000)
    out, _ = run("terasort", write("in.dat", data), "--partitions", 3)
    assert out == sort_oracle(data)


def test_explain():
    file = write("in.dat", records(14, 100))
    out, _ = run("terasort", "--explain", file)
    assert b"sort_by_key" in out and b"stage" in out
    out, _ = run("wordcount", "--explain", file)
    assert b"reduce_by_key" in out


def test_relative_paths():
    file = write("in/a.txt", words_text(15, 20_000))
    os.makedirs(path("tmp"))
    p = subprocess.run([os.path.abspath(example("wordcount")), "--transport", "process:2", "--store", "file:store", "--output", "out", "in"],
                       cwd=path("."), env={**os.environ, "TMPDIR": "tmp"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.returncode == 0, p.stderr
    assert parse_counts(read_parts(path("out"))) == count_oracle(file)
    assert files_below(path("store")) == [] and os.listdir(path("tmp")) == []


def test_store_where_none_is_named():
    """Worker processes get a private folder, which goes again; a store that a setting names is respected."""
    file = write("in/a.txt", words_text(16, 20_000))
    os.makedirs(path("tmp"))
    for args, env in ((("--transport", "process:1"), {}), ((), {"SDF_TRANSPORT": "process:1"}),
                      (("--transport", "process:1"), {"SDF_STORE": f"file:{path('mine')}"})):
        out, _ = run("wordcount", *args, file, env={"TMPDIR": path("tmp"), **env})
        assert parse_counts(out) == count_oracle(file)
        assert os.listdir(path("tmp")) == []
    assert os.path.isdir(path("mine")) and files_below(path("mine")) == []
    run("wordcount", "--transport", "process:1", file, env={"TMPDIR": path("not/there")}, expect=1)


def test_reader_that_goes_away():
    file = write("a.txt", words_text(17, 2_000_000, distinct=100_000))
    os.makedirs(path("tmp"))
    p = start("wordcount", "--transport", "process:2", file, env={"TMPDIR": path("tmp")})
    assert p.stdout.readline()
    p.stdout.close()
    err = p.stderr.read()
    assert p.wait() == 1 and err.count(b"\n") == 1 and b"standard output" in err, err
    assert os.listdir(path("tmp")) == []


def test_top_is_not_for_all():
    file = write("a.dat", records(18, 10))
    run("terasort", "--top", 3, file, expect=2)
