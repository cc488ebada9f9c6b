"""Two jobs awaited in an asyncio loop, which goes on ticking meanwhile.

    async_job.py IN...
"""
import asyncio
import sys

import sdf


async def done(job):
    """Waits until the job is done: its descriptor is readable when there is something to take."""
    loop, fd = asyncio.get_running_loop(), sdf.lib.sdf_job_fd(job)
    while sdf.call(sdf.lib.sdf_job_poll, job) == sdf.lib.SDF_E_TIMEOUT:
        readable = loop.create_future()
        loop.add_reader(fd, lambda: readable.done() or readable.set_result(None))
        try:
            await readable
        finally:
            loop.remove_reader(fd)


async def count(name, rdd):
    job = sdf.call(sdf.lib.sdf_submit_count, rdd)
    try:
        await done(job)
        number = sdf.ffi.new("uint64_t *")
        sdf.call(sdf.lib.sdf_job_count, job, number)
        return name, number[0]
    finally:
        sdf.lib.sdf_job_free(job)


async def main():
    lib, null = sdf.lib, sdf.ffi.NULL
    with sdf.Context("threads:2", "mem:") as context:
        lines = lib.sdf_text_file(context, "\n".join(sys.argv[1:]).encode(), null)
        words = lib.sdf_flat_map(lines, b"sdf.words", null, 0)
        for name, number in await asyncio.gather(count("lines", lines), count("words", words)):
            print(f"{name}\t{number}")


if __name__ == "__main__":
    sdf.worker_main_if_requested()
    asyncio.run(main())
