"""Plans held against the tables of docs/formats.md: what they have is there, and what is there, one of them has."""
import base64
import json
import re

from formats_doc import Wrong, need

DOCUMENT = "Plan: document"


def _type_ends(text, at=0, depth=1):
    """Where the type at text[at:] ends, by the grammar under "Types and raw values"."""
    need(depth <= 32, "a type nested too deep")
    name = re.compile("bytes|i64|f64|null|any|tuple|optional").match(text, at)
    need(name, "no type at", text[at:])
    at = name.end()
    if name.group() not in ("tuple", "optional"):
        return at
    need(text[at:at + 1] == "(", "no parenthesis in", text)
    at = _type_ends(text, at + 1, depth + 1)
    while name.group() == "tuple" and text[at:at + 1] == ",":
        at = _type_ends(text, at + 1, depth + 1)
    need(text[at:at + 1] == ")", "no end of", text)
    return at + 1


def _canonical(value):
    """JSON as the document writes it: \\b, \\f and DEL by their numbers."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return re.sub(r"\\(.)|\x7f", lambda m: {"b": r"\u0008", "f": r"\u000c", None: r"\u007f"}.get(m[1], m[0]), text)


class PlanCheck:
    """Checks plan after plan and remembers what of the document they have used."""

    def __init__(self, doc):
        self.doc, self.used = doc, set()

    def plan(self, data):
        text = data.decode("utf-8")
        plan = json.loads(text, object_pairs_hook=self._pairs)
        need(len(data) <= 16 << 20 and _canonical(plan) == text, "a plan is not canonical")
        self._object(DOCUMENT, plan)
        need(plan["version"] == 2, "the plan's version")
        return plan

    @staticmethod
    def _pairs(pairs):
        need(len({name for name, _ in pairs}) == len(pairs), "a field is there twice:", pairs)
        return dict(pairs)

    def _rows(self, heading, kind):
        """(field, form) in order: those of every kind, and of this one."""
        for row in self.doc.table(heading, "field"):
            kinds = row.get("for kind", "").replace(" ", "").split(",")
            if kinds == [""] or kind in kinds:
                yield row["field"].strip("`"), row["form"]

    def _object(self, heading, values):
        kind = values.get("kind")
        names = []
        for name, form in self._rows(heading, kind):
            if name not in values:
                need("optional" in form, heading, kind, "lacks", name)
                self.used.add((heading, kind, name, "absent"))
                continue
            names.append(name)
            self.used.add((heading, kind, name))
            try:
                self._value(heading, kind, name, form, values[name])
            except Wrong as why:
                raise Wrong(f"{heading}: {name}: {why}") from None
        need(list(values) == names, heading, kind, "has", list(values), "documented:", names)

    def _value(self, heading, kind, name, form, value):
        linked = self.doc.linked(form)
        limit = re.search(r"(?:, | )([\d,]+)\b", re.sub(r"\[.*?\)", "", form))
        limit = int(limit.group(1).replace(",", "")) if limit else None
        if form.startswith('"'):
            need(value in re.findall('"([^"]*)"', form), value, "is none of", form)
            self.used.add((heading, name, value))
        elif form.startswith("list of"):
            need(isinstance(value, list) and len(value) <= limit, "no list of at most", limit)
            for one in value:
                self._object(linked, one)
        elif linked:
            self._object(linked, value)
        elif form.startswith("type"):
            need(_type_ends(value) == len(value) <= 1024, "no type:", value)
        elif form.startswith("u"):
            most = limit if limit is not None else (1 << int(form[1:3])) - 1
            need(isinstance(value, str) == (int(value) > 1 << 53) and 0 <= int(value) <= most, "out of range:", value)
        elif form == "i64":
            need(isinstance(value, str) == (abs(int(value)) > 1 << 53) and -1 << 63 <= int(value) < 1 << 63,
                 "out of range:", value)
        elif form.startswith("text"):
            need(isinstance(value, str) and len(value.encode()) <= limit, "no text of at most", limit)
        elif form.startswith("base64"):
            need(len(base64.b64decode(value, validate=True)) <= limit, "longer than", limit)
        else:
            need(form == "bool" and isinstance(value, bool), "docs/formats.md: an unknown form:", form)

    def finish(self, source):
        """After all plans: is there anything documented that none of them had, or that the decoder does not know?"""
        lists = re.findall(r'(?:only_fields\(r, \w+,|fields =)\s*"([^"]*)"', source)
        decoder = set(" ".join(lists).split())
        documented = set()
        for heading in [h for h in self.doc.tables if h.startswith("Plan: ") and h != "Plan: example"]:
            rows = self.doc.table(heading, "field")
            for kind in re.findall('"([^"]*)"', rows[0]["form"]) if rows[0]["field"] == "`kind`" else [None]:
                for name, form in self._rows(heading, kind):
                    documented.add(name)
                    need((heading, kind, name) in self.used, "no plan of these jobs had", heading, kind, name)
                    for value in re.findall('"([^"]*)"', form):
                        need((heading, name, value) in self.used, "no plan of these jobs had", heading, name, value)
                    if "optional" in form:
                        need((heading, kind, name, "absent") in self.used, "never absent:", heading, kind, name)
        need(decoder == documented, "documented and decoded fields differ:", sorted(decoder ^ documented))
