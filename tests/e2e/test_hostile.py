"""What a host does that does not mean well, or know better: absurd arguments, bad input, folders in use, jobs cut off."""
from capi import Api
from support import path, write


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


# ---- memory ----

def test_joins_chosen_for_the_memory():
    """Sides within broadcast_bytes that would not fit a small task as a table are joined through a shuffle."""
    for memory in ("8M", "64M"):
        with Api(memory=memory) as api:
            pairs = api.select(api.numbers(500_000), "value", "value")
            assert api.count(api.join(pairs, pairs, None)) == 500_000
            if memory == "8M":
                says(api.count(api.join(pairs, pairs, api.options("join", strategy=3))), "SDF_E_NO_MEMORY", "partitioned join")


# ---- handles ----

def test_a_policy_that_comes_too_late():
    """It spoils the handle, not what was made from it before."""
    with Api() as api:
        numbers = api.select(api.text_file(api.context, write("n.txt", b"1\n2\n"), None), None, "i64(value)")
        more = api.select(numbers, None, "value + 1")
        api.rdd_on_error(numbers, 1)
        says(api.count(numbers), "SDF_E_INVALID", "was used already")
        assert api.count(more) == 2
