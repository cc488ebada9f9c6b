"""A mistake in the middle of a computation: the handle carries it, the action reports it, naming the operator.

    sticky_error.py
"""
import sdf


def main():
    lib, null = sdf.lib, sdf.ffi.NULL
    sdf.worker_main_if_requested()
    with sdf.Context("threads:1", "mem:") as context:
        numbers = lib.sdf_range(context, 0, 10, 1, 2)
        wrong = lib.sdf_where(numbers, b"valeu > 3")  # nothing fails here ...
        counts = lib.sdf_reduce_by_key(lib.sdf_select(wrong, b"value % 2", b"1"), b"sdf.sum", 0)
        carried = sdf.error_of(lib.sdf_rdd_error(counts))
        print(f"the handle carries: {carried}")
        try:
            sdf.collect(counts)  # ... but here
        except sdf.Error as e:
            print(f"the action says:    {e}")
            print(f"code: {sdf.text(lib.sdf_status_name(e.code))}")


if __name__ == "__main__":
    main()
