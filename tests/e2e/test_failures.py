"""Bad input, full disks, killed and stopped workers, injected faults: a clear error or the right answer, and nothing left behind."""
import os
import resource
import signal
import subprocess
import threading
import time

import support
from support import (SANITIZE, Skip, children, count_oracle, example, files_below, memory_kb, parse_counts, path, read_parts, records,
                     run, sort_oracle, start, wait_for, words_text, write)


def fails(program, *args, says, expect=1, **more):
    """The program ends with `expect` and one message that holds all of `says`."""
    out, err = run(program, *args, expect=expect, **more)
    text = err.decode(errors="replace")
    for part in says:
        assert part in text, f"{part!r} is not in: {text}"
    assert "Traceback" not in text and "AddressSanitizer" not in text
    return text


def test_missing_input():
    fails("wordcount", path("nowhere.txt"), says=["nowhere.txt", "does not exist"])
    fails("wordcount", path("no*glob"), says=["no*glob"])
    os.mkdir(path("empty"))
    out, _ = run("wordcount", write("empty.txt", b""))
    assert out == b""


def test_unreadable_input():
    if os.getuid() == 0:
        raise Skip("root reads everything")
    file = write("secret", b"x")
    os.chmod(file, 0)
    fails("wordcount", file, says=["secret", "Permission denied"])


def test_wrong_usage():
    fails("wordcount", says=["usage", "input"], expect=2)
    fails("wordcount", "--nonsense", "x", says=["usage"], expect=2)
    fails("wordcount", "--memory", "lots", "x", says=["memory", "lots"], expect=2)
    fails("wordcount", "--set", "memry=1M", "x", says=["memry", "memory"], expect=2)
    fails("wordcount", "--partitions", "0", "x", says=["usage"], expect=2)


def test_unknown_uris():
    file = write("a", b"x")
    fails("wordcount", "--transport", "carrier-pigeon:2", file, says=["carrier-pigeon"])
    fails("wordcount", "--transport", "threads:zwei", file, says=["threads:zwei"])
    fails("wordcount", "--transport", "threads:0", file, says=["threads:0"])
    fails("wordcount", "--store", "flie:/tmp", file, says=["flie", "file"])


def test_no_such_worker():
    """The job has failed before anybody could begin to wait for a worker: it must not be waited for."""
    file = write("a", b"x")
    for _ in range(10):
        fails("wordcount", "--transport", "process:2?command=no-such-program", file, says=["no-such-program", "command="], timeout=10)


def test_store_out_of_reach():
    fails("wordcount", "--transport", "process:2", "--store", "mem:", write("a", b"x"), says=["mem:", "process:2", "file:"])


def test_existing_output():
    out = path("out")
    os.mkdir(out)
    fails("wordcount", "--output", out, write("a", b"x y"), says=["out", "exists"])
    assert os.listdir(out) == []


def test_output_under_a_file():
    file = write("a", b"x y")
    fails("wordcount", "--output", file + "/out", file, says=["out"])


def test_cut_record_file():
    fails("terasort", "--output", path("out"), write("in", records(1, 10)[:-1]), says=["in", "100"])
    assert not os.path.exists(path("out"))


def test_long_line():
    if SANITIZE:
        raise Skip("too slow under a sanitizer")
    file = write("long", b"ab " * (100_000_000 // 3) + b"\nend\n")
    out, _ = run("wordcount", "--transport", "threads:1", "--memory", "512M", file)
    assert parse_counts(out) == {b"ab": 100_000_000 // 3, b"end": 1}
    fails("wordcount", "--transport", "threads:1", "--memory", "16M", file, says=["long", "line", "memory"])


def test_full_disk():
    mount = path("small")
    os.mkdir(mount)
    if os.getuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", mount], stderr=subprocess.DEVNULL).returncode:
        raise Skip("can't mount a small file system")
    try:
        file = write("rows", records(1, 60_000, key=lambda r: r.randbytes(10)))
        store = ["--store", f"file:{mount}/store", "--set", "compression=none", "--set", "retries=1"]
        fails("terasort", "--transport", "process:2", *store, file, says=["No space left"])
        assert files_below(mount) == []
        fails("terasort", "--transport", "threads:2", "--output", f"{mount}/out", "--set", "retries=0", file, says=["No space left"])
        assert files_below(mount) == []
    finally:
        subprocess.run(["umount", mount], check=True)


def slow_job(*more):
    """A word count that takes a while, on two worker processes."""
    file = write("a", words_text(2, 20_000_000 if not SANITIZE else 3_000_000, distinct=100_000))
    return file, start("wordcount", "--transport", "process:2", "--store", f"file:{path('store')}", "--split", "300K", *more, file)


def finish(p, file):
    out, err = p.communicate(timeout=120 * support.SLOW)
    assert p.returncode == 0, err.decode(errors="replace")[-2000:]
    assert parse_counts(out) == count_oracle(file)
    assert files_below(path("store")) == []


def test_killed_workers():
    file, p = slow_job()
    for _ in range(3):
        victims = wait_for(lambda: children(p.pid) or p.poll() is not None)
        if victims is True:
            break
        os.kill(victims[0], signal.SIGKILL)
        time.sleep(0.1)
    finish(p, file)


def test_stopped_worker():
    file, p = slow_job("--set", "task_timeout=2s")
    victims = wait_for(lambda: children(p.pid))
    time.sleep(0.05)
    os.kill(victims[0], signal.SIGSTOP)
    finish(p, file)


def test_killed_driver_leaves_no_workers():
    file, p = slow_job()
    workers = wait_for(lambda: len(children(p.pid)) == 2 and children(p.pid))
    p.kill()
    p.communicate()

    def gone():
        return not any(os.path.exists(f"/proc/{w}") and "wordcount" in open(f"/proc/{w}/cmdline").read() for w in workers)

    wait_for(gone)


def test_interrupted_driver_leaves_no_workers():
    file, p = slow_job()
    workers = wait_for(lambda: len(children(p.pid)) == 2 and children(p.pid))
    p.send_signal(signal.SIGINT)
    p.communicate()
    wait_for(lambda: not any(os.path.exists(f"/proc/{w}") for w in workers))


FAULTS = ["lose=0.1,lose_after_ms=20", "crash=0.15", "double=0.2", "reorder=0.3", "delay=0.5,delay_ms=20", "throttle=0.2", "refuse=0.3"]
STORE_FAULTS = ["read_error=0.03", "read_flip=0.05", "read_missing=0.02", "write_error=0.05", "commit_error=0.1", "commit_lost_reply=0.1", "throttle=0.05",
                "read_short=0.02"]


def test_transport_faults():
    file = write("a", words_text(5, 400_000))
    want = count_oracle(file)
    for seed, faults in enumerate(FAULTS):
        for transport, store in (("threads:2", "mem:"), ("process:2", f"file:{path('store')}")):
            out, _ = run("wordcount", "--transport", f"fault:seed={seed},{faults}:{transport}", "--store", store, "--split", "30000", "--partitions", 4,
                         "--set", "retries=20", "--set", "backoff=1ms", file)
            assert parse_counts(out) == want, faults
    assert files_below(path("store")) == []


def test_store_faults():
    file = write("a", words_text(6, 300_000))
    data = records(7, 10_000)
    sorted_file = write("in.dat", data)
    for seed, faults in enumerate(STORE_FAULTS):
        store = f"fault:seed={seed},{faults}:file:{path('store')}"
        more = ["--transport", "threads:2", "--store", store, "--partitions", 3, "--set", "retries=30", "--set", "reruns=50", "--set", "backoff=1ms"]
        out, _ = run("wordcount", *more, "--split", "30000", file)
        assert parse_counts(out) == count_oracle(file), faults
        out, _ = run("terasort", *more, "--split", "100000", sorted_file)
        assert out == sort_oracle(data), faults


def test_store_faults_while_results_are_read():
    """The host's own reads of what tasks left in the store are as patient as those of tasks."""
    file = write("a.txt", words_text(51, 60_000))
    args = ["--transport", "threads:2", "--partitions", 64, "--set", "inline_limit=0", "--set", "backoff=1ms", "--set", "retries=9"]
    for faults in ("read_error=0.04", "throttle=0.04", "read_flip=0.01"):
        out, _ = run("wordcount", *args, "--store", f"fault:seed=3,{faults}:mem:", file)
        assert parse_counts(out) == count_oracle(file)


def test_two_contexts_on_one_store():
    files = [write(f"f{i}", words_text(i, 500_000)) for i in range(3)]
    running = [start("wordcount", "--transport", "process:1", "--store", f"file:{path('store')}", f) for f in files]
    for p, f in zip(running, files):
        out, err = p.communicate(timeout=60 * support.SLOW)
        assert p.returncode == 0, err
        assert parse_counts(out) == count_oracle(f)
    assert files_below(path("store")) == []


def watch_memory(p):
    """The largest RssAnon + RssShmem, in KiB, of p or any of its workers while it runs."""
    peak = 0
    done = threading.Event()
    outs = []
    reader = threading.Thread(target=lambda: (outs.append(p.communicate()), done.set()))
    reader.start()
    while not done.is_set():
        for pid in [p.pid, *children(p.pid)]:
            peak = max(peak, memory_kb(pid))
        time.sleep(0.01)
    reader.join()
    return peak, outs[0]


def test_memory_stays_within_the_budget():
    if SANITIZE:
        raise Skip("a sanitizer has memory of its own")
    words = write("words", words_text(8, 40_000_000, distinct=1_500_000))
    data = records(9, 400_000)
    rows = write("rows", data)
    want, want_rows = count_oracle(words), sort_oracle(data)
    for memory in (8, 64):
        for transport in ("process:2", "threads:2"):
            args = ["--transport", transport, "--store", f"file:{path('store')}", "--memory", f"{memory}M", "--partitions", 4]
            out = path(f"out-{memory}-{transport[0]}")
            peak, (_, err) = watch_memory(start("wordcount", *args, "--output", out, words))
            assert parse_counts(read_parts(out)) == want, err
            assert peak <= (memory + 48) * 1024, f"wordcount {transport} --memory {memory}M used {peak / 1024:.0f} MB"
            peak, (_, err) = watch_memory(start("terasort", *args, "--output", out + "-s", rows))
            assert read_parts(out + "-s") == want_rows, err
            assert peak <= (memory + 48) * 1024, f"terasort {transport} --memory {memory}M used {peak / 1024:.0f} MB"


def test_few_descriptors():
    file = write("a", words_text(10, 500_000))
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))  # noqa: E731
    out, _ = run("wordcount", "--transport", "process:2", "--store", f"file:{path('store')}", "--split", "5000", "--partitions", 20, file, preexec=limit)
    assert parse_counts(out) == count_oracle(file)


def test_closed_standard_output():
    file = write("a", words_text(11, 2_000_000, distinct=200_000))
    p = start("wordcount", file)
    p.stdout.close()
    p.wait(timeout=60 * support.SLOW)
    assert p.returncode != 0
