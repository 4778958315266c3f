"""Types out of debug information: how long the first scan takes, and what is kept from it, against reading the sections
once and against pyelftools' own walk over the entries, in the same run. In seconds of processor time.

python3 tests/bench/debug_info.py [FILE]

Without a FILE a unit of C++ with many templates is compiled, and its .debug_info repeated until it is of 45 MB: that is
as many units, whose types turn out to be the same.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from elftools.elf.elffile import ELFFile  # noqa: E402

from gdbheap.elf.debug_search import DebugSearch  # noqa: E402
from gdbheap.elf.types.kept_catalogues import kept_files, load, store  # noqa: E402
from gdbheap.elf.types.scan import Scan  # noqa: E402
from gdbheap.elf.types.sections import DebugSections, read_sections  # noqa: E402
from gdbheap.process.process import Module  # noqa: E402
from gdbheap.types.merge import joined  # noqa: E402

SIZE = 45 << 20
# Of so many entries of pyelftools' walk the time is taken, and that of all reckoned from it.
ENTRIES = 100_000
HEADERS = ("algorithm", "functional", "list", "map", "memory", "set", "string", "unordered_map", "vector")
STRUCT = """
namespace n%d {
struct S { S *next; std::string name; virtual ~S() {} bool operator<(const S &o) const { return name < o.name; } };
std::map<std::string, std::vector<std::shared_ptr<S>>> table;
long use(int x) {
  static S *last;
  std::vector<S> v(x);
  std::sort(v.begin(), v.end());
  auto p = std::make_shared<S>();
  table["a"].push_back(p);
  last = p.get();
  std::function<int(int)> f = [=](int q) { return q + x + (p != nullptr); };
  return f(3);
}
}
"""


def compiled(directory: str) -> DebugSections:
    """Return the debug information of the unit, repeated."""
    source, target = Path(directory) / "unit.cc", Path(directory) / "unit.so"
    source.write_text("".join(f"#include <{each}>\n" for each in HEADERS) + "".join(STRUCT % each for each in range(8)))
    words = ["g++", "-g", "-O1", "-fPIC", "-shared", str(source), "-o", str(target)]
    subprocess.run(words, check=True)
    found = read_sections(str(target))
    assert found is not None
    info = found["info"]
    sections = {**found.sections, "info": info * (SIZE // len(info))}
    return DebugSections(str(target), sections, found.address_size, found.data, found.thread_locals)


def timed(work: Any) -> tuple[float, Any]:
    start = time.process_time()
    value = work()
    return time.process_time() - start, value


def theirs(path: str, size: int) -> float:
    """Return how long pyelftools takes for all entries, by how far it comes in so many of them."""
    with open(path, "rb") as file:
        dwarf = ELFFile(file).get_dwarf_info(relocate_dwarf_sections=False)
        start, count = time.process_time(), 0
        for unit in dwarf.iter_CUs():
            for entry in unit.iter_DIEs():
                count += 1
                if count == ENTRIES:
                    return (time.process_time() - start) * size / max(entry.offset, 1)
    return (time.process_time() - start) * size / len(dwarf.debug_info_sec.stream.getvalue())


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        named = sys.argv[1] if len(sys.argv) > 1 else ""
        file = read_sections(named) if named else compiled(directory)
        assert file is not None, "it has no debug information"
        reading, _ = timed(lambda: read_sections(file.path))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        scanning, catalogue = timed(lambda: Scan(file, DebugSearch(())).catalogue())
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        kept, module = kept_files(directory), Module("bench", file.path, 0, "ab")
        storing, _ = timed(lambda: store(kept, module, catalogue, [file.path]))
        loading, again = timed(lambda: load(kept, module))
        assert len(again.types) == len(catalogue.types)
        joining, _ = timed(lambda: joined([again.types.columns, again.types.columns]))
        walking = theirs(file.path, len(file["info"]))
    print(
        f".debug_info {len(file['info']) >> 20} MiB: {len(catalogue.types)} types, {len(catalogue.variables)} variables"
    )
    print(f"scan: {scanning:.2f} s, {most - before >> 10} MiB more; 1/{walking / scanning:.0f} of pyelftools' walk")
    print(f"sections read and inflated: {reading:.2f} s; the scan is {scanning / max(reading, 0.01):.0f} times that")
    print(f"kept: {storing:.2f} s to store, {loading:.3f} s to load; {joining:.2f} s to join two modules")


if __name__ == "__main__":
    main()
