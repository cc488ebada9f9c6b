"""Measures this library beside the tools a system has, on the same files in one run, and prints one table.

BENCH_SIZE=small (64 MB inputs) or full (512 MB). Every result is compared before its row counts: word counts with awk's,
sorted files with GNU sort's. Times are whole processes, the median of several runs, alternating; the input is in memory
(read once before). Writes build/bench/results.json.
"""
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
SIZE = os.environ.get("BENCH_SIZE", "small")
BYTES = {"small": 64 << 20, "full": 512 << 20}[SIZE]
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
FOLDER = os.environ.get("BENCH_DIR", "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())


def once(command, out):
    """(seconds, peak MB of the largest process) of one run; its output goes to the file `out`."""
    with open(out, "wb") as f:
        start = time.monotonic()
        p = subprocess.Popen(command, stdout=f, stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"})
        _, status, usage = os.wait4(p.pid, 0)
        seconds = time.monotonic() - start
    if status:
        raise SystemExit(f"{' '.join(command)} failed with status {status}")
    return seconds, usage.ru_maxrss / 1024


def digest(chunks):
    h = hashlib.sha256()
    for c in chunks:
        h.update(c)
    return h.hexdigest()


def lines_digest(name):
    with open(name, "rb") as f:
        return digest(sorted(f.read().splitlines(keepends=True)))


def folder_digest(name):
    return digest(open(os.path.join(name, p), "rb").read() for p in sorted(os.listdir(name)) if p.startswith("part-"))


def file_digest(name):
    with open(name, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else digest([f.read()])


def measure(work, contestants, check, tmp):
    """contestants: name -> (command, output path or None). Alternates them; returns rows."""
    times = {name: [] for name in contestants}
    peaks = {name: 0 for name in contestants}
    answers = {}
    for turn in range(RUNS + 1):
        for name, (command, output) in contestants.items():
            if output and os.path.isdir(output):
                shutil.rmtree(output)
            standard = os.path.join(tmp, "stdout")
            seconds, peak = once(command, standard)
            if turn:
                times[name].append(seconds)
            else:
                answers[name] = check(output or standard)
            peaks[name] = max(peaks[name], peak)
    if len(set(answers.values())) != 1:
        raise SystemExit(f"{work}: the results differ: {answers}")
    return {name: (statistics.median(t), peaks[name]) for name, t in times.items()}


def overhead(*args, runs=5):
    values = []
    for _ in range(runs):
        out = subprocess.run([f"{BUILD}/bench/overhead", *args], stdout=subprocess.PIPE, check=True).stdout
        values.append(float(out))
    return statistics.median(values)


def main():
    tmp = tempfile.mkdtemp(prefix="sdf-bench-", dir=FOLDER)
    results = []
    try:
        words, rows = os.path.join(tmp, "words"), os.path.join(tmp, "rows")
        subprocess.run(f"{BUILD}/bench/generate words {BYTES} > {words}", shell=True, check=True)
        subprocess.run(f"{BUILD}/bench/generate records {BYTES // 100} > {rows}", shell=True, check=True)
        store = f"file:{tmp}/store"
        variants = {"threads:2 mem:": ["--transport", "threads:2", "--store", "mem:"],
                    "threads:2 file:": ["--transport", "threads:2", "--store", store],
                    "process:2 file:": ["--transport", "process:2", "--store", store]}
        awk = '{for(i=1;i<=NF;i++)c[$i]++} END{for(w in c)printf "%s\\t%d\\n",w,c[w]}'
        works = [
            ("word count", {"awk": (["awk", awk, words], None),
                            **{v: ([f"{BUILD}/examples/wordcount", *a, words], None) for v, a in variants.items()}}, lines_digest),
            ("sort 100-byte records", {
                "GNU sort": (["sort", "--parallel=2", "-S", "1G", "-s", "-k1.1,1.10", "-o", f"{tmp}/sorted", rows], f"{tmp}/sorted"),
                **{v: ([f"{BUILD}/examples/terasort", *a, "--output", f"{tmp}/out", rows], f"{tmp}/out") for v, a in variants.items()}},
             lambda p: folder_digest(p) if os.path.isdir(p) else file_digest(p)),
        ]
        print(f"inputs of {BYTES >> 20} MB in {FOLDER}, median of {RUNS} runs, results equal; ratio = peer / ours")
        print(f"{'work':24} {'who':18} {'seconds':>8} {'peak MB':>8} {'ratio':>6}")
        for work, contestants, check in works:
            measured = measure(work, contestants, check, tmp)
            peer = next(iter(contestants))
            for name, (seconds, peak) in measured.items():
                ratio = "" if name == peer else f"{measured[peer][0] / seconds:6.1f}"
                print(f"{work:24} {name:18} {seconds:8.3f} {peak:8.0f} {ratio:>6}", flush=True)
            for name, (seconds, peak) in measured.items():
                if name != peer:
                    results.append({"work": work, "variant": name, "size": BYTES, "seconds": seconds, "peak_mb": peak,
                                    "peers": {peer: {"seconds": measured[peer][0], "peak_mb": measured[peer][1]}},
                                    "best_peer": peer, "ratio": measured[peer][0] / seconds, "checked": True})
        tasks = 100_000
        for work, variant, seconds in (
                ("empty tasks, each", "threads:2 mem:", overhead("tasks", str(tasks)) / tasks),
                ("one-task job", "threads:1 mem:", overhead("job", "threads:1", "mem:")),
                ("one-task job", "process:1 file:", overhead("job", "process:1", store)),
                ("hello, main to result", "process:1 file:", overhead("hello", store, runs=15))):
            print(f"{work:24} {variant:18} {seconds * 1e6:8.1f} us")
            results.append({"work": work, "variant": variant, "seconds": seconds})
        os.makedirs(f"{BUILD}/bench", exist_ok=True)
        with open(f"{BUILD}/bench/results.json", "w") as f:
            json.dump(results, f, indent=1)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
sys.exit(main())
