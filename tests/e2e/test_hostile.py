"""What a host does that does not mean well, or know better: absurd arguments, bad input, folders in use, jobs cut off."""
import gzip
import json
import os
import resource
import signal
import time

from capi import Api
from support import BUILD, SANITIZE, Skip, children, path, read_parts, run, start, wait_for, write
from test_failures import watch_memory


def says(got, *parts):
    assert isinstance(got, str), got
    for part in parts:
        assert part in got, f"{part!r} is not in: {got}"


# ---- input ----

def test_whole_files_of_any_size():
    sizes = [0, 1, 16383, 16384, 16385, 70_000, 1_000_000]
    for n in sizes:
        write(f"in/{n}", b"x" * n)
    with Api(memory="64M") as api:
        got = api.records(api.whole_files(api.context, path("in"), None))
        assert sorted(len(value) for _, value in got) == sizes, got
        with open(path("huge"), "wb") as f:
            f.truncate(10 << 30)
        says(api.count(api.whole_files(api.context, path("huge"), None)), "SDF_E_NO_MEMORY", "huge", "raise the memory")


def test_open_quote_with_little_memory():
    """A quote that never ends costs no more than the budget, is named by its line, and can be passed over."""
    row = b"12345,abcdefgh\n"
    file = write("a.csv", b"a,b\n1,2\n3,\"open\n" + row * 1_500_000)
    for memory in ("8M", "16M", "512M"):
        with Api(memory=memory) as api:
            says(api.count(api.delimited(file, multiline=1)), "SDF_E_CORRUPT", file, "line 3", "byte 10", "does not end within")
            skipping = api.rdd_on_error(api.delimited(file, multiline=1), 1)
            assert api.count(skipping) == 1_500_001
            assert api.metric("record_errors") == 1


def test_empty_lines_before_the_header():
    for i, before in enumerate((b"\n\n", b"\r\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n")):
        file = write(f"{i}.csv", before + b"a,b\n1,2\n")
        with Api() as api:
            assert api.records(api.select(api.delimited(file), None, "$b")) == [(b"", b"2")], before


def test_columns_that_are_not_there():
    with Api() as api:
        says(api.count(api.where(api.delimited(write("a.csv", b"alpha,beta\n1,2\n")), "$alhpa = '1'")), "SDF_E_NOT_FOUND", "did you mean $alpha")
        says(api.count(api.where(api.delimited(write("b.csv", b"")), "$alpha = '1'")), "SDF_E_NOT_FOUND", "no header")
        assert api.count(api.where(api.delimited(write("c.csv", b""), columns="alpha"), "$alpha = '1'")) == 0
        both = write("h/1.csv", b"a,b\n1,2\n") + "\n" + write("h/2.csv", b"b,a\n1,2\n")
        says(api.count(api.delimited(both)), "SDF_E_CORRUPT", path("h/2.csv"), "column 1", '"b"', '"a"')


# ---- memory ----

def test_joins_chosen_for_the_memory():
    """Sides within broadcast_bytes that would not fit a small task as a table are joined through a shuffle."""
    for memory in ("8M", "64M"):
        with Api(memory=memory) as api:
            pairs = api.select(api.numbers(500_000), "value", "value")
            assert api.count(api.join(pairs, pairs, None)) == 500_000
            if memory == "8M":
                says(api.count(api.join(pairs, pairs, api.options("join", strategy=3))), "SDF_E_NO_MEMORY", "partitioned join")


def test_joins_stay_within_the_budget():
    """One hot key, and keys of half a megabyte, on both sides."""
    if SANITIZE:
        raise Skip("a sanitizer has memory of its own")
    hot = write("hot.txt", b"".join(b"%s\t%s%d\n" % (b"hot" if i % 10 else b"k%d" % i, b"v" * 60, i) for i in range(300_000)))
    few = write("few.txt", b"".join(b"%s\t%d\n" % (b"hot" if i < 4 else b"k%d" % i, i) for i in range(300)))
    giant = write("giant.txt", b"".join(b"%s%d\t%d\n" % (b"K" * 500_000, i % 30, i) for i in range(60)))
    for memory in (8, 64):
        for transport in ("process:2", "threads:2"):
            for left, right, lines in ((hot, few, 4 * 270_000 + 30_000 + 296 - 29), (giant, giant, 120)):
                out = path(f"out-{memory}-{transport[0]}-{os.path.basename(left)}")
                peak, (_, err) = watch_memory(start(
                    "join", "--transport", transport, "--store", f"file:{path('store')}", "--memory", f"{memory}M", "--partitions", "4", "--how", "full",
                    "--set", "broadcast_bytes=0", "--output", out, left, right))
                assert read_parts(out).count(b"\n") == lines, err
                assert peak <= (memory + 48) * 1024, f"join {transport} --memory {memory}M used {peak / 1024:.0f} MB"


# ---- handles ----

def test_a_policy_that_comes_too_late():
    """It spoils the handle, not what was made from it before."""
    with Api() as api:
        numbers = api.select(api.text_file(api.context, write("n.txt", b"1\n2\n"), None), None, "i64(value)")
        more = api.select(numbers, None, "value + 1")
        api.rdd_on_error(numbers, 1)
        says(api.count(numbers), "SDF_E_INVALID", "was used already")
        assert api.count(more) == 2


def test_absurd_numbers():
    with Api() as api:
        numbers = api.numbers(100, 4)
        for fraction in (float("nan"), float("inf"), -1.0, 1e300):
            for again in (0, 1):
                says(api.count(api.sample(numbers, fraction, 7, again)), "SDF_E_INVALID", "fraction of")
        for n in (0, 1, 99, 100, 2 ** 31):
            for action in ("take", "take_ordered", "top"):
                assert len(api.records(numbers, action, n)) == min(n, 100)
        assert len(api.records(numbers, "take", 2 ** 64 - 1)) == 100
        says(api.records(numbers, "top", 2 ** 63), "SDF_E_LIMIT", "sort, and iterate")
        for make in (api.repartition, api.partition_by, api.distinct, api.group_by_key, api.coalesce):
            says(api.count(make(numbers, 2 ** 32 - 1)), "SDF_E_LIMIT", "partitions")
        says(api.count(api.coalesce(numbers, 0)), "SDF_E_INVALID", "0 partitions")
        says(api.count(api.range(api.context, 0, 1, 0, 1)), "SDF_E_INVALID", "step is 0")
        assert api.count(api.range(api.context, -2 ** 63, 2 ** 63 - 1, 2 ** 62, 3)) == 4


def test_two_contexts():
    with Api() as api, Api() as other:
        mine, others = (a.select(a.numbers(10), "value", "value") for a in (api, other))
        both = api.ffi.new("sdf_rdd *[]", [mine, others])
        for made in (api.union(both, 2), api.cogroup(both, 2, 3), api.join(others, mine, None), api.join(mine, others, None),
                     api.subtract_by_key(mine, others, 0), api.intersection(mine, others, 0)):
            says(api.count(made), "SDF_E_INVALID", "another context")


def test_expressions_too_deep():
    with Api() as api:
        numbers = api.numbers(3)
        for text in ("(" * 5000 + "1" + ")" * 5000, "1" + "+1" * 5000, "not " * 5000 + "1", "-" * 5000 + "1", "(" * 10_000_000):
            says(api.count(api.where(numbers, text)), "at most" if len(text) > 65536 else "too many levels")


# ---- record errors ----

def errors_in(folder):
    out = []
    for name in sorted(os.listdir(os.path.join(folder, "_errors"))):
        with open(os.path.join(folder, "_errors", name), encoding="utf-8") as f:
            out += map(json.loads, f)
    return out


def test_diverted_once_however_often_tried():
    lines = [b"%d" % i if i % 7 else b"bad%d" % i for i in range(3500)]
    file = write("n.txt", b"".join(line + b"\n" for line in lines))
    bad = {line.decode() for line in lines if line.startswith(b"bad")}
    worker = os.path.join(BUILD, "sdf-worker")
    for i, (transport, store) in enumerate((
            ("threads:2", "mem:"), ("fault:seed=3,lose=0.2,lose_after_ms=5,crash=0.2,double=0.4:threads:2", "mem:"),
            (f"fault:seed=5,lose=0.2,lose_after_ms=20,crash=0.2,double=0.3:process:2?command={worker}", "file:" + path("store")))):
        with Api(transport, store, retries=50, backoff="1ms") as api:
            text = api.text_file(api.context, file, api.options("text", split_bytes=2000))
            parsed = api.rdd_on_error(api.select(text, None, "i64(value)"), 2)
            assert api.save(parsed, path(f"near{i}")) == 0
            errors = errors_in(path(f"near{i}"))
            assert len(errors) == len(bad) and {e["record"] for e in errors} == bad
            assert len({e["offset"] for e in errors}) == len(bad) and {e["source"] for e in errors} == {file}
            assert api.metric("record_errors") == len(bad)
            far = api.rdd_on_error(api.select(api.repartition(text, 3), None, "i64(value)"), 2)
            assert api.save(api.repartition(far, 2), path(f"far{i}")) == 0
            errors = errors_in(path(f"far{i}"))
            assert len(errors) == len(bad) and {e["record"] for e in errors} == bad
            assert api.metric("record_errors") == 2 * len(bad)
            says(api.save(parsed, path("one"), single=1), "SDF_E_INVALID", "diverts")
            assert not os.path.exists(path("one"))


# ---- files that are odd, many, or change ----

def test_manifests():
    write("one.txt", b"x\n")
    with Api() as api:
        def count(text):
            return api.count(api.text_file(api.context, "manifest:" + write("m", text), None))
        assert count(b"one.txt\n" * 100_000) == 100_000
        assert api.metric("tasks") <= 8
        says(count(b"one.txt\n" * 1000 + b"nowhere\n"), "SDF_E_NOT_FOUND", "line 1001", "nowhere")
        says(count(b"manifest:m\n"), "line 1", "is a manifest itself")
        says(count(b"x" * 100_000), "line 1")
        says(count(b"\0\n"), "NUL")


def test_many_small_files():
    for i in range(100):
        os.makedirs(path(f"small/{i}"))
    for i in range(20_000):
        with open(path(f"small/{i % 100}/{i}.txt"), "wb") as f:
            f.write(b"line\n")
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))  # noqa: E731
    out, _ = run("grep", "--transport", "process:2", "--store", f"file:{path('store')}", "line", path("small/**/*.txt"), preexec=limit)
    assert out == b"line\n" * 20_000
    os.symlink("..", path("small/0/up"))  # a loop
    with Api() as api:
        assert api.count(api.text_file(api.context, path("small/**/*.txt"), None)) == 20_000
        assert api.metric("tasks") <= 8


def change_in_flight(change):
    file = write("t.txt", b"".join(b"%d line\n" % i for i in range(200_000)))
    with Api("threads:1") as api:
        text = api.text_file(api.context, file, api.options("text", split_bytes=1000))
        job = api.attempt("submit_save", text, path("out"), None)
        time.sleep(0.02)
        change(file)
        got = api.attempt("job_wait", job, 60_000)
        api.job_free(job)
        assert not os.path.exists(path("out"))
        return got


def test_input_that_changes():
    def write_within(file):
        with open(file, "r+b") as f:
            f.seek(2_000_000)
            f.write(b"X")
    says(change_in_flight(os.remove), "SDF_E_NOT_FOUND", "t.txt")
    says(change_in_flight(lambda file: os.truncate(file, 100)), "SDF_E_CORRUPT", "t.txt", "has changed")
    says(change_in_flight(write_within), "SDF_E_CORRUPT", "t.txt", "has changed")


# ---- outputs ----

def slow_grep(out):
    file = write("t.txt", b"".join(b"%d line\n" % i for i in range(300_000)))
    return start("grep", "--transport", "process:2", "--store", f"file:{path('store')}", "--split", "10000", "--output", out, "line", file)


def test_workers_killed_while_they_write():
    for suffix in ("", ".gz"):
        out = path(f"out{suffix}")
        p = slow_grep(out)
        for _ in range(3):
            victims = wait_for(lambda: children(p.pid) or p.poll() is not None)
            if victims is True:
                break
            os.kill(victims[0], signal.SIGKILL)
            time.sleep(0.03)
        _, err = p.communicate(timeout=60)
        assert p.returncode == 0, err
        parts = [open(os.path.join(out, n), "rb").read() for n in sorted(os.listdir(out)) if n.startswith("part-")]
        data = b"".join(gzip.decompress(part) if suffix else part for part in parts)
        assert data == open(path("t.txt"), "rb").read()


def test_driver_killed_between_completions():
    """Nothing that is not complete says that it is, and the folder is not taken by a later job."""
    for i in range(4):
        out = path(f"out{i}")
        p = slow_grep(out)
        wait_for(lambda: os.path.isdir(os.path.join(out, "_temporary")) or p.poll() is not None)
        time.sleep(0.04 * i)
        p.kill()
        p.communicate()
        if "_SUCCESS" in os.listdir(out):
            continue
        _, err = run("grep", "--output", out, "line", path("t.txt"), expect=1)
        assert b"left unfinished by one that was killed" in err, err
        assert "_SUCCESS" not in os.listdir(out)


def test_single_file_that_comes_to_exist():
    with Api() as api:
        numbers = api.numbers(10)
        jobs = [api.attempt("submit_save", numbers, path("one"), api.options("save", single=1)) for _ in range(2)]
        got = [job if isinstance(job, str) else api.attempt("job_wait", job, 60_000) for job in jobs]
        assert got.count(0) == 1
        says([g for g in got if g != 0][0], "SDF_E_EXISTS")
        assert open(path("one"), "rb").read() == b"".join(b"%d\n" % i for i in range(10))
        assert os.listdir(path("")) == ["one"]


# ---- jobs in flight ----

def test_workers_that_can_not_start():
    """Whatever goes wrong at once is told at once."""
    for command, words in ((path("nowhere"), "could not start"), ("/bin/false", "exited with code 1"), ("/bin/cat", "hello")):
        with Api(f"process:2?command={command}", "file:" + path("store")) as api:
            job = api.attempt("submit_count", api.numbers(10))
            says(api.attempt("job_wait", job, 20_000), words)
            api.job_free(job)



def test_cancelled_beside_others():
    """Jobs that share stages: one is cancelled, what they keep comes and goes, the others are right."""
    file = write("t.txt", b"".join(b"%d line\n" % i for i in range(100_000)))
    with Api() as api:
        text = api.text_file(api.context, file, api.options("text", split_bytes=3000))
        shared = api.repartition(api.persist(text), 8)
        jobs = [api.attempt("submit_save", shared, path("cancelled"), None), api.attempt("submit_count", shared),
                api.attempt("submit_count", api.where(shared, "len(value) > 9"))]
        time.sleep(0.02)
        api.job_cancel(jobs[0])
        api.unpersist(text)
        jobs.append(api.attempt("submit_count", text))
        api.persist(text)
        api.rdd_free(text)
        says(api.attempt("job_wait", jobs[0], 60_000), "SDF_E_CANCELLED")
        assert not os.path.exists(path("cancelled"))
        n = api.ffi.new("uint64_t *")
        for job, want in zip(jobs[1:], (100_000, 90_000, 100_000)):
            assert api.attempt("job_wait", job, 60_000) == 0 and api.attempt("job_count", job, n) == 0 and n[0] == want
