"""What the end-to-end tests share: seeded data, running programs, independent oracles."""
import collections
import contextlib
import os
import random
import shutil
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
SANITIZE = os.environ.get("SANITIZE", "")
SLOW = 10 if SANITIZE else 1  # how much more time things may take

_here = None


class Skip(Exception):
    pass


@contextlib.contextmanager
def scratch():
    """A fresh folder for one test; `path` makes names in it."""
    global _here
    _here = tempfile.mkdtemp(prefix="sdf-e2e-")
    os.environ["TMPDIR"] = _here + "-tmp"  # where a driver that is killed leaves its scratch folder
    os.mkdir(os.environ["TMPDIR"])
    try:
        yield
    finally:
        subprocess.run(["chmod", "-R", "u+rwx", _here], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(_here, ignore_errors=True)
        shutil.rmtree(os.environ.pop("TMPDIR"), ignore_errors=True)


def path(name):
    return os.path.join(_here, name)


def write(name, data):
    full = path(name)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as f:
        f.write(data)
    return full


def example(name):
    return os.path.join(BUILD, "examples", name)


def run(program, *args, expect=0, timeout=60, env=None, preexec=None):
    """Runs an example; returns (stdout, stderr). Any other exit code than `expect` is a failure."""
    p = subprocess.run(
        [example(program), *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        timeout=timeout * SLOW, env={**os.environ, **(env or {})}, preexec_fn=preexec)
    if p.returncode != expect:
        raise AssertionError(
            f"{program} {' '.join(map(str, args))}\nexit {p.returncode}, expected {expect}\n"
            f"stderr: {p.stderr.decode(errors='replace')[-3000:]}")
    return p.stdout, p.stderr


def start(program, *args, env=None):
    return subprocess.Popen([example(program), *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env={**os.environ, **(env or {})})


def children(pid):
    """Processes whose parent is pid."""
    out = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    fields = f.read().rpartition(")")[2].split()
                if int(fields[1]) == pid and fields[0] != "Z":
                    out.append(int(entry))
            except (OSError, IndexError, ValueError):
                pass
    return out


def wait_for(what, seconds=10):
    end = time.monotonic() + seconds * SLOW
    while time.monotonic() < end:
        got = what()
        if got:
            return got
        time.sleep(0.005)
    raise AssertionError("waited in vain")


def words_text(seed, size, distinct=5000, ending=b"\n"):
    """About `size` bytes of lines of Zipf-like words."""
    rng = random.Random(seed)
    vocabulary = [f"w{rng.randrange(10 ** rng.randrange(1, 12))}" for _ in range(distinct)]
    weights = [1 / (i + 1) for i in range(distinct)]
    picked = rng.choices(vocabulary, weights, k=max(1, size // 7))
    lines, at = [], 0
    while at < len(picked):
        n = rng.randrange(0, 15)
        lines.append(" ".join(picked[at:at + n]).encode())
        at += n
    return ending.join(lines) + ending


def count_oracle(*files):
    counts = collections.Counter()
    for name in files:
        with open(name, "rb") as f:
            counts.update(f.read().split())
    return counts


def parse_counts(text):
    out = {}
    for line in text.split(b"\n"):
        if line:
            word, _, count = line.rpartition(b"\t")
            assert word not in out, f"{word!r} comes twice"
            out[word] = int(count)
    return out


def records(seed, count, key=lambda rng: rng.randbytes(10)):
    rng = random.Random(seed)
    return b"".join(key(rng) + i.to_bytes(8, "big") + b"x" * 82 for i in range(count))


def sort_oracle(data):
    rows = [data[i:i + 100] for i in range(0, len(data), 100)]
    rows.sort(key=lambda r: r[:10])  # stable
    return b"".join(rows)


def read_parts(folder):
    """The parts' bytes in order; checks that the folder says it is complete and holds nothing else."""
    names = sorted(os.listdir(folder))
    assert "_SUCCESS" in names, names
    assert all(n == "_SUCCESS" or n.startswith("part-") for n in names), names
    return b"".join(open(os.path.join(folder, n), "rb").read() for n in names if n != "_SUCCESS")


def files_below(folder):
    return [os.path.join(d, f) for d, _, fs in os.walk(folder) for f in fs]


def memory_kb(pid):
    """RssAnon + RssShmem of a process, in KiB (0 when it is gone)."""
    try:
        with open(f"/proc/{pid}/status") as f:
            fields = dict(line.split(":", 1) for line in f if ":" in line)
        return int(fields["RssAnon"].split()[0]) + int(fields["RssShmem"].split()[0])
    except (OSError, KeyError):
        return 0
