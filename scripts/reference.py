#!/usr/bin/env python3
"""The reference of every public symbol and setting, generated from headers and table of settings: reference.py [--check] writes, or
checks, docs/reference.md.

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


def one_since(tags):
    """A header's "0.1, and 0.2 where it says so" is 0.1 where nothing is said."""
    return {**tags, "Since": tags["Since"].split(",")[0]} if "Since" in tags else tags


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
    pending, depth = "", 0
    for kind, text, alone in blocks(source):
        if kind == "code":
            depth += text.count("{") - text.count("}")
        elif depth:
            continue  # of a field
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
                            "tags": one_since({**(top or {}), **section, **tags_of(comment)})}
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
    out = ["# Reference", "", "Every public symbol, generated from the headers by `scripts/reference.py`, and every [setting](#settings). Do not edit.", ""]
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
    return "\n".join(out + settings() + [""]), bad, names


KINDS = {"KIND_TEXT": "text", "KIND_COUNT": "number", "KIND_SIZE": "size", "KIND_TIME": "time"}


def settings():
    """The property table of lib/api/config.c as a section of its own."""
    with open(os.path.join(ROOT, "lib", "api", "config.c"), encoding="utf-8") as f:
        table = re.search(r"properties\[\] = \{\n(.*?)\n\};", f.read(), re.S).group(1)
    out = ["## Settings", "", "By name in a configuration file (`SDF_CONFIG`, `sdf_config_load`) and in `sdf_config_set`; by `SDF_` and the name in "
           "capitals in", "the environment, where names that are none of these are not looked at. Sizes take K, M, G (1024), times ms, s, m, h.", "",
           "| name | kind | default | what |", "|---|---|---|---|"]
    for name, default, text, kind, choices in re.findall(
            r'\{"(\w+)",\s*"([^"]*)",\s*((?:"[^"]*"\s*)+),\s*(KIND_\w+),.*?(NULL|"[^"]*")\s*\}', table, re.S):
        kind = KINDS[kind] if choices == "NULL" else choices.strip('"').replace("|", ", ")
        default, text = default and f"`{default}`", "".join(re.findall('"([^"]*)"', text))
        out.append(f"| `{name}` | {kind} | {default} | {text} |")
    if len(out) - 7 != table.count("AT("):
        sys.exit("reference.py does not understand a setting in lib/api/config.c")
    return out


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
