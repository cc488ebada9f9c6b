"""Runs the end-to-end tests: every function test_* of every test_*.py beside this file.

python3 tests/e2e/run.py [NAME-PART ...] runs only those whose name contains a part. BUILD names the build folder.
"""
import importlib
import os
import sys
import time
import traceback

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)

import support  # noqa: E402


def main():
    parts = sys.argv[1:]
    passed, failed = 0, []
    for file in sorted(os.listdir(here)):
        if not (file.startswith("test_") and file.endswith(".py")):
            continue
        module = importlib.import_module(file[:-3])
        for name, function in list(vars(module).items()):
            full = f"{file[:-3]}.{name}"
            if not name.startswith("test_") or not callable(function) or (parts and not any(p in full for p in parts)):
                continue
            start = time.monotonic()
            try:
                with support.scratch():
                    function()
                passed += 1
                print(f"ok     {full} ({time.monotonic() - start:.1f} s)", flush=True)
            except support.Skip as why:
                print(f"skip   {full}: {why}", flush=True)
            except Exception:
                failed.append(full)
                print(f"FAILED {full}", flush=True)
                traceback.print_exc()
    for name in failed:
        print(f"failed: {name}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
