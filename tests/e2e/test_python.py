"""The Python examples: the shared library through cffi, with its own headers as declarations."""
import os
import subprocess
import sys

import tables
from support import BUILD, ROOT, SANITIZE, SLOW, Skip, children, count_oracle, files_below, parse_counts, path, words_text, write


def run_python(name, *args, expect=0):
    if SANITIZE:
        raise Skip("an interpreter without the sanitizer can't load a library with it")
    try:
        import cffi  # noqa: F401
    except ImportError as e:
        raise Skip("python3-cffi is not installed") from e
    env = {**os.environ, "SDF_LIBRARY": os.path.join(BUILD, "libserverless-dataflow.so"), "SDF_INCLUDE": os.path.join(ROOT, "include"), "PYTHONDONTWRITEBYTECODE": "1"}
    p = subprocess.run([sys.executable, os.path.join(ROOT, "examples", "python", name), *args], stdin=subprocess.DEVNULL, env=env,
                       capture_output=True, timeout=60 * SLOW, check=False)
    assert p.returncode == expect, (p.returncode, p.stderr.decode()[-3000:])
    return p.stdout


def test_python_taxi_by_expressions():
    text = tables.trips(1, 4000)
    out = run_python("taxi_q1.py", write("a.csv", text))
    assert {k: int(v) for k, v in (line.split("\t") for line in out.decode().splitlines())} == dict(tables.taxi_oracle("Q1", [text]))


def test_python_words_in_worker_processes():
    files = [write("a.txt", words_text(2, 300_000)), write("b.txt", words_text(3, 20_000))]
    assert parse_counts(run_python("wordcount.py", *files)) == count_oracle(*files)
    assert not files_below(os.environ["TMPDIR"]) and not children(os.getpid())


def test_python_sticky_error():
    out = run_python("sticky_error.py").decode()
    assert out.count("valeu") >= 2 and "value" in out and "SDF_E_" in out, out


def test_python_awaits_jobs():
    file = write("a.txt", words_text(4, 200_000))
    data = open(file, "rb").read()
    out = run_python("async_job.py", file).decode()
    assert out == f"lines\t{data.count(bytes([10]))}\nwords\t{len(data.split())}\n"


def test_python_error_of_a_function():
    """A missing file is an exception that names it."""
    out = path("no-such-file")
    try:
        run_python("async_job.py", out)
    except AssertionError as e:
        assert "no-such-file" in str(e) and "sdf.Error" in str(e), e
    else:
        raise AssertionError("it did not fail")
