#!/usr/bin/env python3
"""The reference of every public symbol, generated from the headers: reference.py [--check] writes, or checks, docs/reference.md.

A symbol's text is the comment before it (a comment stands for the declarations that follow it up to an empty line). Ownership, Threads,
Errors and Since are the sentences so named in it, else in the header's first comment, else in a section's ("/* ---- ... ---- */").
What has no Threads or Since, a function that can give an error without Errors, one that gives a pointer without Ownership: refused.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, "docs", "reference.md")
HEADERS = ["base", "record", "key", "function", "context", "expr", "rdd", "io", "action", "shared", "sys/store", "sys/transport", "sys/source",
           "sys/sink", "sys/conformance"]
TAGS = ["Ownership", "Threads", "Errors", "Since"]
TAG = re.compile(r"\b(Ownership|Threads|Errors|Since|Units): ")


def clean(comment):
    lines = [re.sub(r"^\s*\*? ?", "", line) for line in comment.strip().splitlines()]
    return "\n".join(lines).strip()


def tags_of(text):
    """{"Threads": "any.", ...}: each runs to the next tag or the end of its paragraph."""
    tags = {}
    for paragraph in re.split(r"\n\s*\n", text):
        flat = " ".join(paragraph.split())
        found = list(TAG.finditer(flat))
        for m, after in zip(found, found[1:] + [None]):
            tags[m.group(1)] = flat[m.end():after.start() if after else len(flat)].strip()
    return tags


def without_tags(text):
    m = TAG.search(text)
    return text[:m.start()].strip() if m else text


def blocks(source):
    """("comment", text), ("code", text) and ("gap", "") in the order of the file."""
    for m in re.finditer(r"/\*(.*?)\*/|(\n[ \t]*\n)|((?:(?!/\*)[^\n])+)", source, re.S):
        if m.group(1) is not None:
            yield "comment", m.group(1), "\n" in source[source.rfind("\n", 0, m.start()) + 1:m.start()].strip() or not source[
                source.rfind("\n", 0, m.start()) + 1:m.start()].strip()
        elif m.group(2):
            yield "gap", "", True
        else:
            yield "code", m.group(3), True


def symbols_of(header):
    """(name, declaration, text, tags) of each SDF_API symbol of a header."""
    with open(os.path.join(ROOT, "include", "sdf", header + ".h"), encoding="utf-8") as f:
        source = f.read()
    source = re.sub(r'#ifdef __cplusplus.*?#endif', "", source, flags=re.S)
    top, section, comment, trailing = None, {}, "", ""
    pending = ""
    for kind, text, alone in blocks(source):
        if kind == "comment":
            text = clean(text)
            if top is None:
                top = tags_of(text)
            elif text.startswith("----"):
                section, comment = tags_of(text.strip("- ")), ""
            elif not alone and trailing is not None:
                trailing["text"] = (trailing["text"] + "\n" + text).strip()  # at the end of a declaration's line
            else:
                comment = text
        elif kind == "gap":
            comment = ""
        else:
            trailing = None
            if "SDF_API" in text and "#define" not in text:
                pending = text
            elif pending:
                pending += " " + text.strip()
            if pending and ";" in pending:
                declaration = " ".join(pending.replace("SDF_API", "").split())
                pending = ""
                name = re.search(r"(\w+)\s*\(", declaration).group(1)
                trailing = {"name": name, "declaration": declaration, "text": comment,
                            "tags": {**(top or {}), **section, **tags_of(comment)}}
                yield trailing


def problems(header, s):
    d = s["declaration"]
    needs = ["Threads", "Since"]
    if "sdf_error **err" in d and "_new(" not in d:
        needs.append("Errors")
    if re.match(r"(const )?\w+ \*+\s*\w+\(", d):
        needs.append("Ownership")
    return [f"{header}.h: {s['name']} says nothing of {t}" for t in needs if t not in s["tags"]]


def generate():
    out = ["# Reference", "", "Every public symbol, generated from the headers by `scripts/reference.py`. Do not edit.", ""]
    bad, names = [], set()
    for header in HEADERS:
        out += [f"## sdf/{header}.h", ""]
        for s in list(symbols_of(header)):
            bad += problems(header, s)
            names.add(s["name"])
            out += [f"### {s['name']}", "", "```c", s["declaration"], "```", ""]
            text = without_tags(s["text"])
            if text:
                out += [text, ""]
            out += [f"- **{t}**: {s['tags'][t]}" for t in TAGS if t in s["tags"]] + [""]
    return "\n".join(out), bad, names


def main():
    text, bad, names = generate()
    with open(os.path.join(ROOT, "lib", "sdf.map"), encoding="utf-8") as f:
        exported = set(re.findall(r"\b(sdf_\w+);", f.read()))
    bad += [f"{n} is in lib/sdf.map but in no header" for n in sorted(exported - names)]
    bad += [f"{n} is in a header but not in lib/sdf.map" for n in sorted(names - exported)]
    if "--check" in sys.argv:
        with open(OUT, encoding="utf-8") as f:
            if f.read() != text:
                bad.append("docs/reference.md is not what the headers say: run scripts/reference.py")
    else:
        with open(OUT, "w", encoding="utf-8") as f:
            f.write(text)
    print("\n".join(bad[:50]))
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
