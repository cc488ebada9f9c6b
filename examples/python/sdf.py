"""The library from Python, through cffi alone: no compiler, no binding to install.

The declarations are the library's own headers, read where it is installed. This file only loads them and says three
things that C leaves to the host: errors become exceptions, slices become bytes, and what a callback needs stays alive.
It is an example, not a binding: what it does not name is called as in C, `sdf.lib.sdf_count(...)`.

    SDF_LIBRARY  the shared library     (default: in the folder that pkg-config says, else as the loader finds it)
    SDF_INCLUDE  the folder with sdf/   (default: what pkg-config says, else /usr/local/include)
"""
import os
import re
import subprocess

import cffi

_HEADERS = ["base", "record", "function", "context", "key", "expr", "rdd", "io", "action", "shared"]


def _installed(variable):
    """What pkg-config says of the installed library; "" if it knows nothing of it."""
    try:
        return subprocess.run(["pkg-config", "--variable=" + variable, "serverless-dataflow"], check=True,
                              capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _declarations(folder):
    """The headers without comments and preprocessor: what is left is plain C, by design."""
    text = ""
    for name in _HEADERS:
        with open(os.path.join(folder, "sdf", name + ".h"), encoding="utf-8") as f:
            source = re.sub(r"/\*.*?\*/", " ", f.read(), flags=re.S)
        source = re.sub(r"#ifdef __cplusplus.*?#endif", "", source, flags=re.S)
        source = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", "", source, flags=re.M)
        text += source.replace("SDF_API", "")
    return text


ffi = cffi.FFI()
try:
    ffi.cdef(_declarations(os.environ.get("SDF_INCLUDE") or _installed("includedir") or "/usr/local/include"))
    lib = ffi.dlopen(os.environ.get("SDF_LIBRARY") or os.path.join(_installed("libdir"), "libserverless-dataflow.so.0"))
except OSError as why:
    raise ImportError(f"{why}; install the library, or say by SDF_LIBRARY and SDF_INCLUDE where it is") from why
_alive = []  # callbacks and strings that the library's table of functions points to


class Error(Exception):
    def __init__(self, code, message, hint):
        super().__init__(message + (f" ({hint})" if hint else ""))
        self.code, self.hint = code, hint


def text(pointer):
    return ffi.string(pointer).decode("utf-8", "replace") if pointer != ffi.NULL else ""


def error_of(pointer):
    """An error object of the library as an exception; the object stays the library's."""
    return Error(lib.sdf_error_code(pointer), text(lib.sdf_error_message(pointer)), text(lib.sdf_error_hint(pointer)))


def call(function, *args):
    """Calls a function whose last parameter is `sdf_error **` and returns what it returns; raises if it failed."""
    err = ffi.new("sdf_error **")
    answer = function(*args, err)
    if err[0] == ffi.NULL:
        return answer
    failure = error_of(err[0])
    lib.sdf_error_free(err[0])
    raise failure


def register_batch(name, function, out_key="bytes", out_value="bytes"):
    """Registers a batch function: function(batch, out) is called with up to 128 records and returns a status
    (None: SDF_OK)."""

    @ffi.callback("sdf_batch_fn", onerror=lambda kind, error, trace: None, error=lib.SDF_E_USER)
    def batch(records, out, _state):
        try:
            return function(records, out) or lib.SDF_OK
        except Exception as e:  # to the library's error, not to standard error
            return lib.sdf_fail(out, f"{type(e).__name__}: {e}".encode())

    definition = ffi.new("sdf_function *")
    lib.sdf_function_init(definition)
    names = [ffi.new("char[]", s.encode()) for s in (name, out_key, out_value)]
    definition.name, definition.out_key, definition.out_value = names
    definition.batch = batch
    _alive.append((batch, names))
    call(lib.sdf_register, definition)


def worker_main_if_requested():
    """What every host does first: a process that a transport started is a worker and nothing else."""
    if lib.sdf_worker_requested():
        raise SystemExit(lib.sdf_worker_main())


def values_of(batch, side):
    """One side of a batch as a list of bytes."""
    one = ffi.new("sdf_slice *")
    values = []
    for i in range(lib.sdf_batch_count(batch)):
        lib.sdf_batch_get(batch, side, i, one)
        values.append(ffi.buffer(one.data, one.size)[:] if one.size else b"")
    return values


def records(result):
    """All records of a sdf_result, as text; frees it."""
    key_type, value_type = lib.sdf_result_key_type(result), lib.sdf_result_value_type(result)
    batch = ffi.new("const sdf_batch **")
    try:
        while call(lib.sdf_result_next, result, batch) == lib.SDF_OK:
            for key, value in zip(values_of(batch[0], lib.SDF_KEY), values_of(batch[0], lib.SDF_VALUE)):
                yield formatted(key_type, key), formatted(value_type, value)
    finally:
        lib.sdf_result_free(result)


def formatted(kind, raw):
    keep = ffi.from_buffer(raw)
    one = ffi.new("sdf_slice *", {"data": keep, "size": len(raw)})
    room = len(raw) * 4 + 64
    buffer = ffi.new("char[]", room)
    size = lib.sdf_format(kind, one, buffer, room)
    if size >= room:
        buffer = ffi.new("char[]", size + 1)
        size = lib.sdf_format(kind, one, buffer, size + 1)
    if size < 0:
        raise Error(size, "a value can't be formatted", "")
    return ffi.buffer(buffer, size)[:].decode("utf-8", "surrogateescape")


def collect(rdd):
    result = ffi.new("sdf_result **")
    call(lib.sdf_collect, rdd, result)
    return list(records(result[0]))


class Context:
    """with Context("threads:2", "mem:") as context: ..."""

    def __init__(self, transport=None, store=None, **settings):
        config = lib.sdf_config_new()
        try:
            for name, value in settings.items():
                call(lib.sdf_config_set, config, name.encode(), str(value).encode())
            self.pointer = call(lib.sdf_context_open, transport.encode() if transport else ffi.NULL,
                                store.encode() if store else ffi.NULL, config)
        finally:
            lib.sdf_config_free(config)

    def __enter__(self):
        return self.pointer

    def __exit__(self, *_):
        lib.sdf_context_close(self.pointer)
