"""Taxi Q1 by expressions: drop-offs at 200 West Street by hour. Not a line of Python runs on the workers.

    taxi_q1.py TRIPS.csv...
"""
import sys

import sdf

PLACE = (b"f64($dropoff_longitude) >= -74.0144185 and f64($dropoff_longitude) <= -74.013777 and "
         b"f64($dropoff_latitude) >= 40.7138745 and f64($dropoff_latitude) <= 40.7152275")


def main():
    lib = sdf.lib
    sdf.worker_main_if_requested()
    with sdf.Context("threads:2", "mem:") as context:
        trips = lib.sdf_delimited_file(context, "\n".join(sys.argv[1:]).encode(), sdf.ffi.NULL)
        lib.sdf_rdd_on_error(trips, lib.SDF_ERRORS_SKIP)
        there = lib.sdf_rdd_on_error(lib.sdf_where(trips, PLACE), lib.SDF_ERRORS_SKIP)
        hours = lib.sdf_rdd_on_error(lib.sdf_select(there, b"hour($tpep_dropoff_datetime)", b"1"), lib.SDF_ERRORS_SKIP)
        counts = lib.sdf_sort_by_key(lib.sdf_reduce_by_key(hours, b"sdf.sum", 0), sdf.ffi.NULL)
        for hour, count in sdf.collect(counts):
            print(f"{hour}\t{count}")


if __name__ == "__main__":
    main()
