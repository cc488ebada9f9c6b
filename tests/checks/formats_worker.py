"""A driver of a worker process, by the chapter "Worker processes" of docs/formats.md: it says which requests to run."""
import json
import os
import socket
import subprocess

from formats_doc import Reader, decode_all, encode, fixed, need, varint
from formats_hash import xxh3_128_hex

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, os.environ.get("BUILD", "build"), "tests/programs/formats_dump")
TOKEN = "0123456789abcdef" * 2
APPLICATION = "1.2.3: longer than a program id needs to be, so that its text is long"  # as formats_dump.c has it
FUNCTIONS = """batches 0 - - - - batch
even 0 - i64 - - filter
keep 3 - - - - map
keyed 0 - i64 i64 - map
later 0 - - - - reduce
not_seven 0 - i64 - - map
shared 0 - - - bytes map
values_of 0 - - - i64 group
"""


class Worker:
    """Its other end. Frames are made and read by the tables under "Frame"."""

    def __init__(self, doc):
        self.doc = doc
        self.types = {row["name"]: row for row in doc.table("Frame", "type")}
        self.ours, theirs = socket.socketpair()
        self.ours.settimeout(120)
        env = {**os.environ, "_SDF_WORKER": f"{theirs.fileno()}:{TOKEN}"}
        self.process = subprocess.Popen([PROGRAM], env=env, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL)
        theirs.close()
        self.stream = self.ours.makefile("rwb")

    def _payload(self, name):
        """[(field, form)]"""
        return [field.split(" ") for field in filter(None, self.types[name]["payload"].split(", "))]

    def send(self, name, **values):
        payload = b""
        for field, form in self._payload(name):
            if form in ("text", "rest"):
                value = values.get(field, b"")
                payload += (varint(len(value)) if form == "text" else b"") + value
            else:
                payload += values.get(field, 0).to_bytes(int(form[1:]) // 8, "little")
        header = {"size": len(payload), "type": int(self.types[name]["type"])}
        for row in self.doc.table("Frame", "offset"):
            self.stream.write(header.get(row["field"].strip("`"), 0).to_bytes(int(row["size"]), "little"))
        self.stream.write(payload)
        self.stream.flush()

    def receive(self, name):
        header, _ = fixed(self.doc, self.stream.read(8), "Frame")
        need(header["type"] == int(self.types[name]["type"]), name, "expected, frame is", header)
        reader, values = Reader(self.stream.read(header["size"])), {}
        for field, form in self._payload(name):
            if field == "magic":
                need(reader.take(4) == form.strip("`").encode(), "magic of", name)
            elif form in ("text", "rest"):
                values[field] = reader.take(reader.varint() if form == "text" else reader.left())
            else:
                values[field] = reader.number(int(form[1:]) // 8)
        reader.end()
        return values

    def run(self, number, **request):
        self.send("REQUEST", id=number, request=encode(self.doc, "Task request", request))
        answer = self.receive("REPLY")
        need(answer["id"] == number, "an answer to", answer["id"])
        return decode_all(self.doc, answer["reply"], "Task reply")

    def end(self):
        self.stream.close()
        self.ours.close()
        need(self.process.wait(60) == 0, "a worker exits with", self.process.returncode)


def check_hello(worker, scratch):
    """The handshake; returns the program id."""
    hello = worker.receive("HELLO")
    need(hello["version"] == 1 and hello["token"].decode() == TOKEN and not hello["failure"], "hello", hello)
    need(hello["pid"] == worker.process.pid, "the worker's pid")
    worker.send("DESCRIBE")
    text = worker.receive("DESCRIPTION")["text"]
    need(text.decode() == f'# plan 2, wire 2, application "{APPLICATION}"\n' + FUNCTIONS, "the description is", text)
    need(xxh3_128_hex(text) == hello["program_id"].decode(), "the program id")
    worker.send("WELCOME", pid=os.getpid(), memory=8 << 20, scratch_dir=os.fsencode(scratch))
    return hello["program_id"]


def counting_plan(program, source):
    """The words of an input counted, nothing kept."""
    types = {"key_type": "bytes", "value_type": "i64"}
    call = {"function": "sdf.words", "version": 1, "label": ""}
    op = {"kind": "batch", "call": call, **types, "errors": "fail"}
    stage = {"id": 7, "label": "", "tasks": 1, "branches": [{"input": source, "ops": [op]}], "sides": [],
             "output": {"kind": "count", "label": "", **types}, "bound_by": 0, "resumable": False}
    return {"version": 2, "program": program.decode(), "compression": "none", "stages": [stage], "broadcasts": []}


def with_plan(plan):
    data = json.dumps(plan, separators=(",", ":")).encode()
    return {"plan_inline": data, "plan_hash": xxh3_128_hex(data).encode()}


def outcome(reply, *fields):
    return (reply["failure"], reply["error"]["code"] if reply["error"] else 0, *(reply[x] for x in fields))


def check_worker(doc, folder, lines):
    """Tasks that only this file has asked for: right ones, newer ones, another program's, one that misses an object."""
    worker = Worker(doc)
    program = check_hello(worker, os.path.join(folder, "scratch"))
    probe = worker.run(1, kind=2, attempt=9, probe_bytes=3, probe_echo=b"echo")
    need(outcome(probe, "kind", "attempt", "probe") == (0, 0, 2, 9, b"echo\0\0\0"), "a probe", probe)
    types = {"label": "", "key_type": "null", "value_type": "bytes"}
    plan = counting_plan(program, {"kind": "files", **types, "format": {"kind": "text", "max_record": 0},
                                   "errors": "fail"})
    split = {"path": os.fsencode(os.path.join(folder, "lines.txt")), "length": len(lines), "file_size": len(lines)}
    request = {"kind": 1, "context": 5, "stage": 7, "attempt": 1, "limit": (1 << 64) - 1, "program_id": program,
               "store_uri": b"file:" + os.fsencode(os.path.join(folder, "other")), **with_plan(plan),
               "pieces": [{"has_split": 1, "split": split}]}
    reply = worker.run(2, **request)
    need(outcome(reply, "records") == (0, 0, len(lines.split())), "words counted for this driver", reply)
    reply = worker.run(3, **{**request, **with_plan({**plan, "version": 3})})
    need(outcome(reply, "attempt") == (8, -11, 1), "a newer plan", reply)
    reply = worker.run(4, **{**request, "version": 3})
    need(outcome(reply, "attempt") == (8, -11, 0), "a newer request", reply)
    reply = worker.run(5, **{**request, "program_id": b"0" * 32})
    need(outcome(reply) == (8, -19), "another program's request", reply)
    plan = counting_plan(program, {"kind": "shuffle", **types, "source": 6, "read": "concat", "descending": False,
                                   "stored_key_type": "null", "stored_value_type": "bytes"})
    missing = {"task": 31, "leg": 2, "attempt": 77, "offset": 48, "stored": 40, "raw": 16, "records": 1, "max_raw": 16}
    leaf = {"stage": 6, "extents": [missing]}
    reply = worker.run(6, **{**request, **with_plan(plan), "pieces": [{"leaves": [leaf]}]})
    need(outcome(reply, "bad_stage", "bad_task", "bad_leg", "bad_attempt") == (7, -3, 6, 31, 2, 77),
         "an object that is not there", reply)
    worker.end()
