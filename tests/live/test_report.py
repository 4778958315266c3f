"""`heap report` on a real process with a hostile name: one page, whose facts are what the commands say with --json, and
what the program wrote down itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

from support.gdb_runs import ROOT, ask
from support.parsed_html import Parsed
from support.programs import build, running

NAME = "<img src=x onerror=alert(1)>&'</title>"
COMMANDS = ["heap", "heap leaks", "heap rss", "heap sizes", "heap check", "mm", "vmmap", "heap retained", "heap map"]
DRAWN = {"map": "heap map", "rss": "heap rss", "sizes": "heap sizes", "mm": "mm"}


def test_the_page_says_what_the_commands_say_and_what_the_program_wrote_down(tmp_path):
    program = tmp_path / NAME.replace("/", "_")
    shutil.copy(build("retained"), program)
    page = tmp_path / "page.html"
    with running(program) as started:
        then = [f"heap retained --dot {tmp_path}/owners.dot"]
        then += [f"{command} --svg {tmp_path}/{name}.svg" for name, command in DRAWN.items()]
        answers = ask(["-p", str(started.pid)], COMMANDS, then=then)
        words = [sys.executable, "-m", "gdbheap", "report", str(started.pid), "-"]
        made = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        page.write_text(made.stdout)
        expected = dict(re.findall(r"^holder \w+ (\w+) (\d+ \d+)$", started.text, re.MULTILINE))
    # Nothing but the page is on standard output.
    assert made.returncode == 0 and made.stdout.startswith("<!DOCTYPE html>"), made.stdout + made.stderr
    assert made.stdout.rstrip().endswith("</html>")
    parsed = Parsed(page.read_text())
    assert parsed.elements["script"] == 2 and parsed.elements["img"] == 0
    assert page.stat().st_size < 2 << 20
    facts = json.loads(parsed.raw["script"][0])
    for command in COMMANDS[:-1]:
        told = {**facts["answers"][command]}
        assert told["left_out"] == 0
        wanted = answers[command]
        if command in ("heap rss", "mm", "vmmap"):  # the kernel may swap between two questions
            told, wanted = ({**each, "rows": len(each["rows"]), "totals": None} for each in (told, wanted))
        assert told == wanted, command
    held = {each["name"].partition(" in ")[0]: each for each in facts["held"]["children"]}
    for name in ("global_list", "static_ring"):
        assert f"{whole(held[name])} {held[name]['blocks']}" == expected[name]
    nodes = {each["id"]: each for each in facts["owners"]["nodes"]}
    arrows = {
        (nodes[edge["from"]]["name"], nodes[edge["to"]]["name"]): edge["pointers"] for edge in facts["owners"]["edges"]
    }
    assert arrows["global_list", "struct node"] == 1
    # Each but the last of the list's 2,000 nodes has a next, each of the ring's 500 two; the trees' come on top.
    assert arrows["struct node", "struct node"] >= 1999 + 1000
    table = {row["part"]: row for row in answers["heap"]["rows"]}
    main = next(each for each in facts["maps"] if each["arena"] == "main")
    assert sum(main["totals"].values()) == table["arena main"]["system_bytes"]
    assert main["totals"]["free"] + main["totals"]["given_back"] == table["arena main"]["free_bytes"]
    assert main["totals"]["top"] + main["totals"]["top_untouched"] == table["arena main"]["top_bytes"]
    drawn = answers["heap map"]
    assert {kind: drawn["totals"][kind] for kind in main["totals"]} == main["totals"]
    for kind, size in main["totals"].items():
        assert sum(row[kind] for row in drawn["rows"]) == size
    assert "digraph heap {" in (tmp_path / "owners.dot").read_text()
    assert 'label="global_list' in (tmp_path / "owners.dot").read_text()
    for name in DRAWN:
        root = ElementTree.parse(tmp_path / f"{name}.svg").getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(main["what"]) == sum(cells for _, cells in main["stretches"])


def whole(node):
    return node["own"] + sum(whole(each) for each in node.get("children", ()))
