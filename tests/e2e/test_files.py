"""Files in every format and compression, written and read: against Python's own gzip, bz2, csv and json, and the programs
zstd and lz4 where they are installed."""
import bz2
import csv
import gzip
import io
import json
import os
import random
import shutil
import subprocess

from support import BUILD, SLOW, Skip, path, write

PLACES = [("threads:2", "mem:"), ("process:2", "file:{}")]


def convert(*args, expect=0, turn=0):
    """Runs tests/programs/convert; returns what it says on standard error."""
    transport, store = PLACES[turn % len(PLACES)]
    p = subprocess.run(
        [os.path.join(BUILD, "tests/programs/convert"), f"transport={transport}",
         "store=" + store.format(path("store")), *map(str, args)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60 * SLOW)
    error = p.stderr.decode(errors="replace")
    assert p.returncode == expect, f"exit {p.returncode}: {error}"
    return error


def through(program, *args):
    def run(data):
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")
        return subprocess.run([program, *args], input=data, stdout=subprocess.PIPE, check=True).stdout
    return run


CODECS = {
    "gzip": (".gz", gzip.compress, gzip.decompress),
    "bzip2": (".bz2", bz2.compress, bz2.decompress),
    "zstd": (".zst", through("zstd", "-qc"), through("zstd", "-qdc")),
    "lz4": (".lz4", through("lz4", "-qc"), through("lz4", "-qdc")),
}


def lines_of(seed, count):
    r = random.Random(seed)
    return [" ".join(str(r.randrange(10 ** r.randrange(1, 9))) for _ in range(r.randrange(12))) for _ in range(count)]


def text_of(lines):
    return "".join(line + "\n" for line in lines).encode()


def parts(folder, suffix=""):
    """The parts of an output in order, as the manifest names them."""
    with open(os.path.join(folder, "_SUCCESS")) as f:
        manifest = json.load(f)
    out = []
    for part in manifest["parts"]:
        assert part["name"].endswith(suffix), part
        with open(os.path.join(folder, part["name"]), "rb") as f:
            data = f.read()
        assert len(data) == part["bytes"], part
        out.append(data)
    assert sorted(os.listdir(folder)) == sorted(["_SUCCESS"] + [p["name"] for p in manifest["parts"]])
    return out


def check_codec(name):
    suffix, pack, unpack = CODECS[name]
    lines = [lines_of(i, n) for i, n in enumerate([5000, 0, 1, 20000, 300])]
    for i, some in enumerate(lines):
        write(f"in/{i}.txt{suffix}", pack(text_of(some)))
    whole = text_of(sum(lines, []))
    for turn in range(2):
        out = path(f"out{turn}")
        convert(path("in"), f"out={out}", f"codec={name}", "split=30000", turn=turn)
        assert b"".join(unpack(part) for part in parts(out, suffix)) == whole
        single = path(f"single{turn}.txt{suffix}")  # the codec follows from the name
        convert(path("in/*") + suffix, f"out={single}", "single=1", "split=30000", turn=turn)
        with open(single, "rb") as f:
            assert unpack(f.read()) == whole
        again = path(f"again{turn}")
        convert(out, f"out={again}", turn=turn)
        assert b"".join(parts(again)) == whole
    assert not [name for name in os.listdir(path("")) if name.startswith(".")]


def test_gzip():
    check_codec("gzip")


def test_bzip2():
    check_codec("bzip2")


def test_zstd():
    check_codec("zstd")


def test_lz4():
    check_codec("lz4")


def test_members():
    """Several members, and those of another level, one behind another."""
    lines = lines_of(1, 3000)
    for name in ("gzip", "bzip2"):
        suffix, pack, _ = CODECS[name]
        data = b"".join(pack(text_of(lines[i:i + 100]), 1 + i // 100 % 9) for i in range(0, 3000, 100))
        write(f"in{suffix}", data + pack(b""))
        convert(path(f"in{suffix}"), "out=" + path(name))
        assert b"".join(parts(path(name))) == text_of(lines)


def test_damaged():
    """The error names the file and the place; nothing is left of the output."""
    data = text_of(lines_of(1, 20000))
    for name, (suffix, pack, _) in CODECS.items():
        try:
            packed = bytearray(pack(data))
        except Skip:
            continue
        packed[len(packed) // 2:len(packed) // 2 + 40] = b"x" * 40
        damaged = write(f"damaged{suffix}", bytes(packed))
        cut = write(f"cut{suffix}", pack(data)[:-5])
        for file in (damaged, cut):
            error = convert(file, "out=" + path("out"), expect=1)
            assert file in error and "near its byte " in error, error
            assert not os.path.exists(path("out"))


def test_delimited():
    r = random.Random(7)
    alphabet = ["a", "b", ",", '"', "\n", "\r", " ", "é", "€", "", "'", ";", "x" * 30]
    rows = [[str(i), "".join(r.choice(alphabet) for _ in range(r.randrange(6))), f"{r.random():.6g}"]
            for i in range(2000)]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([["id", "odd, name", "number"], *rows])
    write("in.csv", text.getvalue().encode())
    for turn in range(2):
        out = path(f"out{turn}.csv")
        convert(path("in.csv"), "from=delimited", "multiline=1", "key=i64($id)",
                "value=tuple(${odd name}, f64($number))".replace("odd name", "odd, name"), "to=delimited",
                "columns=id,odd,number", "single=1", f"out={out}", turn=turn)
        with open(out, newline="", encoding="utf-8") as f:
            got = list(csv.reader(f))
        assert got[0] == ["id", "odd", "number"]
        assert [[a, b, float(c)] for a, b, c in got[1:]] == [[a, b, float(c)] for a, b, c in rows]


def test_delimited_parts_have_headers():
    write("in.csv", b"id,n\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(5000)))
    convert(path("in.csv"), "from=delimited", "key=i64($id)", "value=i64($n)", "to=delimited", "columns=id,n", "split=4000",
            "codec=gzip", "out=" + path("out"))
    files = [gzip.decompress(part) for part in parts(path("out"), ".gz")]
    assert len(files) > 5 and all(f.startswith(b"id,n\n") for f in files)
    assert b"".join(f[5:] for f in files) == b"".join(b"%d,%d\n" % (i, i * i) for i in range(5000))
    convert(path("out"), "from=delimited", "value=tuple($n, $id)", "to=delimited", "single=1", "out=" + path("back"))
    with open(path("back"), "rb") as f:
        assert f.read() == b"".join(b"%d,%d\n" % (i * i, i) for i in range(5000))


def test_json():
    r = random.Random(8)
    alphabet = ["a", "b", '"', "\\", "\n", "\t", "é", "€", "🐧", "\x01", "/", "\x7f"]
    rows = [("".join(r.choice(alphabet) for _ in range(r.randrange(8))), r.randrange(-10 ** 15, 10 ** 15), r.random())
            for _ in range(3000)]
    write("in.jsonl", "".join(
        json.dumps({"s": s, "deep": {"n": n}, "f": f}, ensure_ascii=r.random() < 0.5) + "\n" for s, n, f in rows).encode())
    for turn in range(2):
        out = path(f"out{turn}")
        convert(path("in.jsonl"), "from=json", "split=40000", "key=$s", "value=tuple(i64($deep.n), f64($f))", "to=json",
                "columns=s,n,f", "codec=zstd" if turn and shutil.which("zstd") else "codec=none", f"out={out}", turn=turn)
        data = b"".join(CODECS["zstd"][2](p) if turn and shutil.which("zstd") else p for p in parts(out))
        got = [json.loads(line) for line in data.decode().splitlines()]
        assert got == [{"s": s, "n": n, "f": f} for s, n, f in rows]


def test_json_names_and_bad_bytes():
    write("in.txt", b"fine\nb\xffd\n")
    error = convert(path("in.txt"), "to=json", "out=" + path("out"), expect=1)
    assert "record 2" in error and '"value"' in error and "UTF-8" in error, error
    assert not os.path.exists(path("out"))
    write("in.txt", b"fine\n")
    convert(path("in.txt"), "key=value", "value=tuple(1, null, 0.5, tuple('x', 2))", "to=json", "single=1",
            "out=" + path("one"))
    with open(path("one"), "rb") as f:
        assert f.read() == b'{"key":"fine","value_1":1,"value_2":null,"value_3":0.5,"value_4":["x",2]}\n'


def test_manifest_and_deep_globs():
    for i, name in enumerate(["a/1.txt", "a/b/2.txt", "a/b/c/3.txt", "a/_no/4.txt", "5.txt"]):
        write("tree/" + name, b"%d\n" % (i + 1))
    write("tree/list", b"# some\na/b/2.txt\r\n5.txt\na/*.txt\n")
    convert("manifest:" + path("tree/list"), "single=1", "out=" + path("m"))
    with open(path("m"), "rb") as f:
        assert f.read() == b"2\n5\n1\n"
    convert(path("tree/**/*.txt"), "single=1", "out=" + path("g"))
    with open(path("g"), "rb") as f:
        assert f.read() == b"5\n1\n2\n3\n"
    write("tree/list", b"a/1.txt\n\nnowhere.txt\n")
    error = convert("manifest:" + path("tree/list"), "out=" + path("n"), expect=1)
    assert path("tree/list") + '", line 3' in error and "nowhere.txt" in error, error


def test_output_in_use():
    write("in.txt", b"x\n")
    os.makedirs(path("dead/_temporary"))
    error = convert(path("in.txt"), "out=" + path("dead"), expect=1)
    assert "in use by another job" in error, error
    write("there", b"precious")
    error = convert(path("in.txt"), "single=1", "out=" + path("there"), expect=1)
    assert "exists already" in error, error
    with open(path("there"), "rb") as f:
        assert f.read() == b"precious"
