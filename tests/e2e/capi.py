"""The C API for tests, through the example's cffi module: calls as they are, errors as text, results as lists."""
import os
import sys

from support import BUILD, ROOT, SANITIZE, Skip

_sdf = None


def load():
    """The module of examples/python, over the library of this build."""
    global _sdf
    if SANITIZE:
        raise Skip("an interpreter without the sanitizer can't load a library with it")
    try:
        import cffi  # noqa: F401
    except ImportError as e:
        raise Skip("python3-cffi is not installed") from e
    if not _sdf:
        os.environ["SDF_LIBRARY"] = os.path.join(BUILD, "libserverless-dataflow.so")
        os.environ["SDF_INCLUDE"] = os.path.join(ROOT, "include")
        sys.dont_write_bytecode = True
        sys.path.insert(0, os.path.join(ROOT, "examples", "python"))
        import sdf
        _sdf = sdf
    return _sdf


class Api:
    """One context. Names without sdf_: api.count(handle); NULL is None; a failed call gives "CODE: message (hint)"."""

    def __init__(self, transport="threads:2", store="mem:", **settings):
        self.sdf = load()
        self.ffi, self.lib = self.sdf.ffi, self.sdf.lib
        config = self.lib.sdf_config_new()
        for name, value in settings.items():
            self.sdf.call(self.lib.sdf_config_set, config, name.encode(), str(value).encode())
        self.context = self.sdf.call(self.lib.sdf_context_open, transport.encode(), store.encode(), config)
        self.lib.sdf_config_free(config)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lib.sdf_context_close(self.context)

    def __getattr__(self, name):
        function = getattr(self.lib, "sdf_" + name)
        return lambda *args: function(*(self._value(a) for a in args))

    def _value(self, v):
        if v is None:
            return self.ffi.NULL
        return self._text(v) if isinstance(v, (str, bytes)) else v

    def _text(self, v):
        kept = self.ffi.new("char[]", v.encode() if isinstance(v, str) else v)
        self.sdf._alive.append(kept)
        return kept

    def attempt(self, name, *args):
        """Calls a function that has an error as its last parameter: what it gives, or the error as text."""
        try:
            return self.sdf.call(getattr(self.lib, "sdf_" + name), *(self._value(a) for a in args))
        except self.sdf.Error as e:
            return f"{self.sdf.text(self.lib.sdf_status_name(e.code))}: {e}"

    def count(self, rdd):
        n = self.ffi.new("uint64_t *")
        rc = self.attempt("count", rdd, n)
        return rc if isinstance(rc, str) else n[0]

    def records(self, rdd, action="collect", *args):
        """The pairs of an action's result, or the error as text."""
        out, result, batch = [], self.ffi.new("sdf_result **"), self.ffi.new("sdf_batch **")
        rc = self.attempt(action, rdd, *args, result)
        while rc == 0:
            rc = self.attempt("result_next", result[0], batch)
            for i in range(self.lib.sdf_batch_count(batch[0]) if rc == 0 else 0):
                out.append((self._cell(batch[0], 0, i), self._cell(batch[0], 1, i)))
        self.lib.sdf_result_free(result[0])
        return rc if isinstance(rc, str) else out

    def _cell(self, batch, side, i):
        slice_ = self.ffi.new("sdf_slice *")
        self.lib.sdf_batch_get(batch, side, i, slice_)
        return bytes(self.ffi.buffer(slice_.data, slice_.size)) if slice_.size else b""

    def save(self, rdd, uri, **options):
        return self.attempt("save", rdd, uri, self.options("save", **options))

    def options(self, kind, **fields):
        o = self.ffi.new(f"sdf_{kind}_options *")
        getattr(self.lib, f"sdf_{kind}_options_init")(o)
        for name, value in fields.items():
            setattr(o, name, self._value(value))
        return o

    def metric(self, name):
        n = self.ffi.new("uint64_t *")
        self.lib.sdf_context_metric(self.context, name.encode(), n)
        return n[0]

    def delimited(self, uris, **options):
        return self.delimited_file(self.context, uris, self.options("delimited", **options))

    def numbers(self, count, partitions=2):
        return self.range(self.context, 0, count, 1, partitions)
