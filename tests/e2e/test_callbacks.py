"""Functions of the host that fail, crash, hang, emit nonsense, leak, print: one attempt is lost, the error says where, the host lives."""
import os
import re
import subprocess
import time

from support import BUILD, SANITIZE, SLOW, children, path

GOOD = "sum 499500 count 1000"


def host(transport, what, *settings, env=None, timeout=60):
    store = "mem:" if "threads" in transport else f"file:{path('store')}"
    p = subprocess.run([os.path.join(BUILD, "tests/programs/callbacks"), transport, store, what, *settings], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout * SLOW,
                       env={**os.environ, "ASAN_OPTIONS": "handle_segv=0", "TSAN_OPTIONS": "handle_segv=0:atexit_sleep_ms=0", **(env or {})})
    out = p.stdout.decode(errors="replace")
    assert p.returncode == 0, (p.returncode, out, p.stderr.decode(errors="replace")[-2000:])
    return out


def fails(transport, what, *settings, code, says=(), **more):
    out = host(transport, what, "backoff=1ms", *settings, **more)
    assert out.startswith(f"error code={code} "), out
    for part in says:
        assert part in out, f"{part!r} is not in {out}"
    return out


BOTH = ("threads:2", "process:2")


def test_good():
    for transport in BOTH:
        assert host(transport, "pass").strip() == GOOD
    for locale in ("de_DE.UTF-8", "C.UTF-8", "C"):
        assert host("process:1", "pass", env={"LC_ALL": locale}).strip() == GOOD


def test_error_says_where():
    for transport in BOTH:
        out = fails(transport, "fails_at_700", code="SDF_E_USER",
                    says=["function=fails_at_700", "operator=map#2 fails_at_700", "partition=2", "700 is not to my taste"])
        assert re.search(r"stage=[1-9]\d* partition=2 attempt=[1-9]", out)
    assert "about to fail at 700" in fails("process:1", "fails_at_700", code="SDF_E_USER")
    fails("threads:1", "fails_mutely", code="SDF_E_USER", says=["fails_mutely", "-1000"])
    fails("process:1", "state_refused", code="SDF_E_USER", says=["no state today"])


def test_crash_costs_its_task():
    fails("process:2", "crashes", "retries=1", code="SDF_E_LOST", says=["signal 11", "about to crash", "partition=2"])
    fails("process:2", "exits", "retries=1", code="SDF_E_LOST", says=["exited with", "3"])
    assert host("process:2", "crashes_once", env={"MARK": path("mark")}).strip() == GOOD


def test_hang_times_out():
    start = time.monotonic()
    fails("process:2", "hangs", "task_timeout=300ms", "retries=1", code="SDF_E_TIMEOUT", says=["partition=2"])
    fails("threads:2", "hangs", "task_timeout=300ms", "retries=0", code="SDF_E_TIMEOUT", says=["partition=2"])
    assert time.monotonic() - start < 15 * SLOW


def test_emits():
    for transport in BOTH:
        fails(transport, "emits_from_stack", code="SDF_E_INVALID", says=["stack", "emits_from_stack"])
        fails(transport, "emits_twice", code="SDF_E_USER", says=["emits_twice"])
        fails(transport, "emits_wrong_type", code="SDF_E_TYPE", says=["i64", "emits_wrong_type"])


def test_plan_time_mistakes():
    fails("threads:1", "wants_bytes", code="SDF_E_TYPE", says=["wants_bytes", "bytes", "i64"])
    fails("threads:1", "passs", code="SDF_E_NOT_FOUND", says=["passs", "pass"])


def test_leaks_are_survived():
    if SANITIZE:
        return
    out = host("process:2", "leaks", "memory=64M")
    assert out.strip() == GOOD


def test_prints_and_closes():
    assert host("process:2", "prints").strip() == GOOD
    fails("process:2", "closes_all", "retries=1", code="SDF_E_LOST")


def test_actions_in_functions():
    for transport in BOTH:
        fails(transport, "runs_an_action", code="SDF_E_USER", says=["refused"])


def test_forgotten_worker_check():
    start = time.monotonic()
    p = subprocess.Popen([os.path.join(BUILD, "tests/programs/forgot"), f"file:{path('store')}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    most = 0
    while p.poll() is None:
        most = max(most, len(children(p.pid)))
        assert time.monotonic() - start < 60 * SLOW
        time.sleep(0.005)
    out = p.stdout.read().decode()
    assert "sdf_worker_requested" in out, out
    assert most <= 2, "workers started workers"
