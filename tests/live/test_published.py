"""Every command's real answer, in JSON, against the published schema; `python3 -m tests.live.test_published` writes
the schema again (nothing that was published goes) and the examples of its page."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from gdbheap.commands import MODULES, name_of
from support.gdb_runs import ROOT, kept_symbols, run_gdb
from support.programs import build
from support.published import FILE, gone, kept, made, misfits

PAGE = ROOT / "gdbheap" / "docs" / "json.md"
# What is typed where the demo stops; the first of each command is its example.
TYPED = (
    "gdbheap",
    "heap",
    "heap chunks",
    "heap chunks --summary",
    "heap chunk order",
    "heap bins",
    "heap arenas",
    "heap sizes",
    "heap vis order",
    "heap map",
    "heap params",
    "heap predict malloc(24)",
    "vmmap",
    "vmmap --summary",
    "vmmap --pages heap",
    "mm",
    "explain order",
    "heap leaks",
    "heap leaks --why order",
    "heap owners order",
    "heap retained",
    "heap retained --by-type",
    "heap search order",
    "heap snapshot first",
    "heap snapshot second",
    "heap snapshots",
    "heap diff first second",
    "heap rss",
    "heap report page.html",
    "heap types",
    "heap types --blocks",
    "heap types --containers",
    "heap view order",
)
# And once its heap is broken, and it has jumped to nowhere.
BREAK = ("set var *(long *)((char *)order - 8) = 0x4141", "set var $pc = 0", "stepi")
THEN = ("heap check", "fault", "heap record --seconds 1")


def asked(place: str) -> dict[str, dict[str, Any]]:
    """Return the answers to all of these, by what was typed."""
    program = build("demo")
    lines = ["set confirm off", f"cd {place}", f"source {ROOT / 'gdb_init.py'}", *kept_symbols(program)]
    lines += ["break look_here", "run > /dev/null"]
    typed = [*TYPED, *THEN]
    for number, line in enumerate(typed):
        lines += BREAK if line == THEN[0] else ()
        said, file = f"{line} --json", f"{place}/{number}"
        # (A snapshot's --output is its own.)
        to_string = f"python open({file!r}, 'w').write(gdb.execute({said!r}, to_string=True))"
        lines.append(to_string if line.startswith("heap snapshot ") else f"{said} --output {file}")
    words = ["gdb", "-nx", "-q", "-batch", *(word for line in lines for word in ("-ex", line)), str(program)]
    text = run_gdb(words, {"XDG_STATE_HOME": place})
    files = {line: Path(place, str(number)) for number, line in enumerate(typed)}
    assert all(path.exists() for path in files.values()), text
    return {line: json.loads(path.read_text()) for line, path in files.items()}


def schema_of(command: str) -> dict[str, Any]:
    """Return the schema of a command's answer."""
    whole = kept()
    rows = {"type": "array", "items": whole["$defs"][command]}
    return {**whole["$defs"]["answer"], "properties": {**whole["$defs"]["answer"]["properties"], "rows": rows}}


def test_every_answer_is_as_published(tmp_path):
    answers = asked(str(tmp_path))
    assert {each["command"] for each in answers.values()} == {name_of(module) for module in MODULES}
    totals = kept()["totals"]
    assert not answers["fault"].get("error") and answers["fault"]["rows"] and answers["heap check"]["rows"]
    for line, answer in answers.items():
        assert not list(misfits(answer, schema_of(answer["command"]))), line
        if not line.partition(answer["command"])[2].lstrip().startswith("--"):
            lacking = set(totals[answer["command"]]) - set(answer["totals"])
            assert not lacking, f"{line}: totals {lacking}"


def rows_kept() -> dict[str, Any]:
    """Return the published rows of each command."""
    return {name: each["anyOf"] for name, each in kept()["$defs"].items() if name not in ("answer", "error")}


def test_every_definition_is_a_schema_and_every_reference_leads_to_one():
    """Validators of others refuse what is none."""
    definitions = kept()["$defs"]
    assert all(isinstance(each, dict) for each in definitions.values())
    asked_for = set(re.findall(r'"\$ref": "#/\$defs/([^"]*)"', FILE.read_text()))
    assert {each.replace("%20", " ") for each in asked_for} == set(definitions)


def test_the_schema_is_that_of_the_rows():
    before = rows_kept()
    assert not gone(before, made()), "what is published keeps its name"
    assert before == made(), "after a new field: PYTHONPATH=.:tests python3 -m tests.live.test_published"


def test_the_page_has_an_example_of_every_command():
    found = examples(PAGE.read_text())
    assert [each["command"] for each in found] == [name_of(module) for module in MODULES]
    for each in found:
        assert not list(misfits(each, schema_of(each["command"]))), each["command"]


def examples(page: str) -> list[dict[str, Any]]:
    """Return the answers that the page shows."""
    return [
        json.loads(each) for each in re.findall(r"^```json\n(\{\"schema.*?)```$", page, re.M | re.S) if '"rows"' in each
    ]


def page_of(answers: dict[str, dict[str, Any]]) -> str:
    """Return the examples: of each command the first that was typed, one row of it."""
    pieces = []
    for module in MODULES:
        name = name_of(module)
        line, answer = next((line, each) for line, each in answers.items() if each["command"] == name)
        rows, totals = answer["rows"][:1], _short(answer["totals"])
        shown = {**answer, "rows": _short(rows), "left_out": len(answer["rows"]) - len(rows), "totals": totals}
        told = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in shown.items())
        count = " --count 1" if shown["left_out"] else ""
        pieces.append(f"### {name}\n\n`{line} --json{count}`\n\n```json\n{{{told}}}\n```\n")
    return "\n".join(pieces).replace(f"{ROOT}/", "")  # as on every machine


def _short(value: Any) -> Any:
    """Return a value for the page: of long lists and objects the first few."""
    if isinstance(value, dict):
        return {name: _short(each) for name, each in list(value.items())[:24]}
    return [_short(each) for each in value[:2]] if isinstance(value, list) else value


def written(answers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the schema, with the totals that every answer of a command has."""
    totals: dict[str, list[str]] = {}
    for answer in answers.values():
        names, had = set(answer["totals"]), totals.get(answer["command"])
        totals[answer["command"]] = sorted(names if had is None else names & set(had))
    string, objects = {"type": "string"}, {"type": "array", "items": {"type": "object"}}
    texts = {"type": "array", "items": string}
    shared = {"schema": {"const": "gdbheap/1"}, "command": string}
    answer = {
        "type": "object",
        "properties": {
            **shared,
            "rows": objects,
            "left_out": {"type": "integer"},
            "totals": {"type": "object"},
            "notes": texts,
            "faults": objects,
            "next": texts,
        },
        "additionalProperties": False,
    }
    error = {"type": "object", "properties": {"code": string, "message": string, "next": texts}}
    answer["required"] = list(answer["properties"])
    error["required"] = list(error["properties"])
    failed = {"type": "object", "properties": {**shared, "error": error}, "required": ["schema", "command", "error"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gdbheap/1",
        "anyOf": [
            {"$ref": "#/$defs/error"},
            *(
                {
                    "allOf": [{"$ref": "#/$defs/answer"}],
                    "properties": {
                        "command": {"const": name},
                        "rows": {"items": {"$ref": f"#/$defs/{name.replace(' ', '%20')}"}},
                    },
                }
                for name in made()
            ),
        ],
        # (No word of JSON Schema's: the totals that every answer of a command has.)
        "totals": totals,
        "$defs": {"answer": answer, "error": failed, **{name: {"anyOf": kinds} for name, kinds in made().items()}},
    }


def lines_of(schema: dict[str, Any]) -> str:
    """Return the schema with a line for each command."""
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in schema["$defs"].items()]
    rest = "\n".join(f"{json.dumps(name)}: {json.dumps(value)}," for name, value in schema.items() if name != "$defs")
    return f'{{{rest}\n"$defs": {{\n' + ",\n".join(lines) + "}}\n"


if __name__ == "__main__":
    if FILE.exists():
        assert not (lost := gone({k: v for k, v in rows_kept().items() if k in made()}, made())), lost
    with tempfile.TemporaryDirectory() as place:
        told = json.loads(json.dumps(asked(place)).replace(place, "/tmp").replace(str(build("demo").parent), "/tmp"))
    FILE.write_text(lines_of(written(told)))
    lead = PAGE.read_text().partition("\n## Every command\n")[0]
    PAGE.write_text(f"{lead}\n## Every command\n\n{page_of(told)}")
