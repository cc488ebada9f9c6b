"""Word count with a batch function in Python, run by worker processes that are Python interpreters.

    wordcount.py IN...

The library calls `split` once for up to 128 lines, in a process of its own that it starts with the command below; that
process runs this very file, registers the same functions, and serves tasks until the driver ends it.
"""
import os
import shutil
import sys
import tempfile

import sdf

ONE = sdf.ffi.new("int64_t *", 1)


def split(batch, out):
    """All words of a batch of lines, each with the number 1: one call into Python, one call back."""
    words = b"\n".join(sdf.values_of(batch, sdf.lib.SDF_VALUE)).split()
    if not words:
        return sdf.lib.SDF_OK
    offsets = sdf.ffi.new("uint32_t[]", len(words) + 1)
    for i, word in enumerate(words):
        offsets[i + 1] = offsets[i] + len(word)
    data = sdf.ffi.from_buffer(b"".join(words))
    size = sdf.ffi.sizeof("sdf_column")
    keys = sdf.ffi.new("sdf_column *", {"struct_size": size, "layout": sdf.lib.SDF_LAYOUT_OFFSETS, "data": data,
                                        "offsets": offsets})
    ones = sdf.ffi.new("sdf_column *", {"struct_size": size, "layout": sdf.lib.SDF_LAYOUT_CONST, "data": ONE, "size": 8})
    return sdf.lib.sdf_emit_columns(out, len(words), keys, ones)


def main():
    sdf.register_batch("split", split, out_key="bytes", out_value="i64")
    sdf.worker_main_if_requested()
    lib, null = sdf.lib, sdf.ffi.NULL
    store = tempfile.mkdtemp(prefix="sdf-store-")
    try:
        worker = f"process:2?command={sys.executable} {os.path.abspath(__file__)}"
        with sdf.Context(worker, "file:" + store) as context:
            lines = lib.sdf_text_file(context, "\n".join(sys.argv[1:]).encode(), null)
            words = lib.sdf_map_batches(lines, b"split", null, 0)
            for word, count in sdf.collect(lib.sdf_reduce_by_key(words, b"sdf.sum", 0)):
                print(f"{word}\t{count}")
    finally:
        shutil.rmtree(store, ignore_errors=True)


if __name__ == "__main__":
    main()
