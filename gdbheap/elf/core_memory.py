"""A core's memory: the segments that are in the file, and behind them the mapped files where they are still the same
ones."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import FileIO

from gdbheap.elf.backing_files import BackingFile, StandIns, open_backing
from gdbheap.elf.elf_facts import ElfFacts, read_elf_facts
from gdbheap.elf.same_file import is_same_file
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass
from gdbheap.process.file_holes import with_data
from gdbheap.process.images.elf_headers import PF_W

# In place of a file descriptor: no file is needed to know that these bytes are zeros.
_ZEROS = -1


@dataclass(frozen=True)
class CoreSegment:
    """A PT_LOAD: [start, end) of memory; its first `stored` bytes should be in the core at `offset`, and `present`
    of them are (a truncated core has fewer). `flags` are PF_R, PF_W, PF_X. `unwritten`: none is stored because
    the process never wrote there: zeros."""

    start: int
    end: int
    offset: int
    stored: int
    present: int
    flags: int
    unwritten: bool = False


@dataclass(frozen=True)
class MappedFile:
    """An entry of NT_FILE: [start, end) is `path` from `offset` (bytes) on."""

    start: int
    end: int
    offset: int
    path: str


class CoreMemory:
    """Memory out of a core file, which it keeps open, through one file descriptor: nothing is mapped, so a core that
    shrinks under us is a MemoryFault.

    What is mapped from a file and not in the core (program text) is read from that file, if it is there and has the
    build-id that the core holds (where that has no ELF headers, if it is laid out as the one that was mapped); a file
    of data may stand in for what might have been written (StandIns). Unwritten segments are zeros. `locate` turns a
    path of the core into one of this machine, `fetch` brings the file of a build-id here that is not there.
    """

    def __init__(
        self,
        core: FileIO,
        segments: Sequence[CoreSegment],
        files: Sequence[MappedFile] = (),
        locate: Callable[[str], str] = lambda path: path,
        fetch: Callable[[str], str | None] = lambda build_id: None,
    ) -> None:
        self._file = core
        self._core = core.fileno()
        self._segments = sorted(segments, key=lambda segment: segment.start)
        self._starts = [segment.start for segment in self._segments]
        self._files = sorted(files, key=lambda file: file.start)
        self._file_starts = [file.start for file in self._files]
        # A path may be mapped more than once: the lowest is where its ELF header is.
        self._file_headers = {file.path: file.start for file in reversed(self._files) if file.offset == 0}
        self._locate, self._fetch = locate, fetch
        self._opened: dict[str, BackingFile | None] = {}
        self._stand_ins = StandIns(os.fstat(self._core).st_mtime_ns, locate)
        self._facts: dict[str, ElfFacts] = {}

    def read(self, address: int, size: int) -> bytes:
        if size <= 0:
            return b""
        segment = self.segment_at(address)
        if segment is not None and address + size <= segment.start + segment.present:
            data = os.pread(self._core, size, segment.offset + address - segment.start)
            if len(data) == size:
                return data
        if not self._covers(address, size):
            raise MemoryFault(address, size)
        buffer = bytearray(size)
        self.read_into(address, memoryview(buffer))
        return bytes(buffer)

    def read_into(self, address: int, buffer: memoryview) -> None:
        done = 0
        while done < len(buffer):
            source = self._source(address + done, len(buffer) - done)
            count = _pread_into(source[0], buffer[done : done + source[2]], source[1]) if source else 0
            if count <= 0:
                raise MemoryFault(address, len(buffer))
            done += count

    def data_spans(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield, in order, the parts of [start, end) that are no holes of the core nor unwritten, and those that are
        not in it."""
        for low, high, source in self._parts(start, end):
            if source is not None and source[0] != _ZEROS:
                yield from with_data(source[0], low - source[1], low, high)
            elif source is None:
                yield low, high

    def held_spans(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield, in order, the parts of [start, end) that something holds."""
        yield from _joined((low, high) for low, high, source in self._parts(start, end) if source is not None)

    def stored_spans(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield, in order, the parts of [start, end) that are in the core: what is mapped from a file is that where
        it was rewritten, or where a filter asked for it."""
        parts = self._parts(start, end)
        yield from _joined((low, high) for low, high, source in parts if source is not None and source[0] == self._core)

    def stood_in(self) -> Iterator[MappedFile]:
        """Yield the mappings for which another file than one known by its build-id stands in."""
        for file in self._files:
            source = self._source(file.start, file.end - file.start)
            found = None if source is None else self._stand_ins.known(file.path)
            if source and found and source[0] == found.descriptor:
                yield file

    def elf_facts(self, path: str) -> ElfFacts:
        """Return what the core's own bytes tell of a mapped file."""
        start = self.header_of(path)
        if start is None:
            return ElfFacts()
        if path not in self._facts:
            self._facts[path] = read_elf_facts(lambda offset, size: self._stored(start + offset, size))
        return self._facts[path]

    def file_facts(self, path: str) -> ElfFacts:
        """Return the same; where the core has no header, of the file of that name that was mapped, if it is here."""
        facts = self.elf_facts(path)
        backing = None if facts.loads else self._backing(path)
        return facts if backing is None else backing.facts()

    @property
    def lacks_headers(self) -> bool:
        """Whether files were mapped, and the core has the ELF header of none."""
        return bool(self._file_headers) and not any(self._stored(each, 4) for each in self._file_headers.values())

    def header_of(self, path: str) -> int | None:
        """Return where the first byte of a mapped file is (None: not mapped)."""
        return self._file_headers.get(path)

    def backing_file(self, path: str) -> str | None:
        """Return where the file of that name, the very one that was mapped, can be opened here; None: nowhere."""
        backing = self._backing(path)
        return None if backing is None else backing.path

    def segment_at(self, address: int) -> CoreSegment | None:
        """Return the segment that holds the address, or None."""
        index = bisect_right(self._starts, address) - 1
        return self._segments[index] if index >= 0 and address < self._segments[index].end else None

    def _mapped_file(self, address: int) -> MappedFile | None:
        index = bisect_right(self._file_starts, address) - 1
        return self._files[index] if index >= 0 and address < self._files[index].end else None

    def _source(self, address: int, size: int) -> tuple[int, int, int] | None:
        """Return (file descriptor or _ZEROS, offset, count) for the front of a range, as far as one source goes;
        None where nothing holds it."""
        segment = self.segment_at(address)
        end = address + size
        if segment is not None:
            at = address - segment.start
            if at < segment.present:
                return self._core, segment.offset + at, min(size, segment.present - at)
            if segment.unwritten:
                return _ZEROS, 0, min(end, segment.end) - address
            if at < segment.stored:
                return None  # cut off
            end = min(end, segment.end)
        else:
            # gdb leaves unmodified mappings out of the core; the next segment begins where such a gap ends.
            index = bisect_right(self._starts, address)
            end = min(end, self._starts[index]) if index < len(self._starts) else end
        file = self._mapped_file(address)
        backing = None if file is None else self._behind(file.path, segment)
        if file is None or backing is None:
            return None
        offset = file.offset + address - file.start
        count = min(min(end, file.end) - address, backing.size - offset)
        return (backing.descriptor, offset, count) if count > 0 else None

    def _behind(self, path: str, segment: CoreSegment | None) -> BackingFile | None:
        """Return the file that has what is not in the core of a mapping: the kernel leaves out a private mapping that
        was never written, and what is shared; gdb says nothing of what it leaves out."""
        if segment is not None and not segment.flags & PF_W:
            return self._backing(path)
        if segment is not None and segment.stored:
            return None  # written, and not all of it is there
        return self._backing(path) or self._stand_ins.find(path)

    def _parts(self, start: int, end: int) -> Iterator[tuple[int, int, tuple[int, int, int] | None]]:
        """Yield (start, end, source) of one part of a range after the other; one that nothing holds is whole,
        however large."""
        while start < end:
            source = self._source(start, end - start)
            stop = start + source[2] if source is not None else self._next_edge(start, end)
            yield start, stop, source
            start = stop

    def _next_edge(self, address: int, end: int) -> int:
        """Return the next address, at most `end`, at which the source may be another one."""
        edges = [end]
        segment, file = self.segment_at(address), self._mapped_file(address)
        if segment is not None:
            edges += [segment.start + segment.present, segment.start + segment.stored, segment.end]
        if file is not None:
            edges.append(file.end)
        for starts in (self._starts, self._file_starts):
            index = bisect_right(starts, address)
            edges += starts[index : index + 1]
        return min(edge for edge in edges if edge > address)

    def _covers(self, address: int, size: int) -> bool:
        """Whether something holds every byte of a range: asked before a buffer for it is made."""
        return all(source is not None for _, _, source in self._parts(address, address + size))

    def _backing(self, path: str) -> BackingFile | None:
        if path not in self._opened:
            self._opened[path] = None
            build_id = self.elf_facts(path).build_id
            start = self.header_of(path)
            if build_id or (start is not None and not self._stored(start, 1)):
                found = open_backing(self._locate(path))
                is_same = found is not None and (
                    found.facts().build_id == build_id if build_id else self._is_laid_out_as(found, path)
                )
                self._opened[path] = found if is_same else self._fetched(build_id)
        return self._opened[path]

    def _fetched(self, build_id: str) -> BackingFile | None:
        path = self._fetch(build_id) if build_id else None
        found = None if path is None else open_backing(path)
        return found if found is not None and found.facts().build_id == build_id else None

    def _is_laid_out_as(self, backing: BackingFile, path: str) -> bool:
        mapped = [(each.start, each.end, each.offset) for each in self._files if each.path == path]
        return is_same_file(backing.read, self._stored, mapped)

    def _stored(self, address: int, size: int) -> bytes:
        """Return up to `size` bytes at `address` out of the core alone."""
        segment = self.segment_at(address)
        if segment is None:
            return b""
        at = address - segment.start
        size = min(size, segment.present - at)
        return os.pread(self._core, size, segment.offset + at) if size > 0 else b""


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield spans, which come in order, with those that touch made one."""
    low = high = 0
    for start, end in spans:
        if start > high and low < high:
            yield low, high
        low, high = (low if start == high else start), end
    if low < high:
        yield low, high


def _pread_into(descriptor: int, buffer: memoryview, offset: int) -> int:
    if descriptor == _ZEROS:
        buffer[:] = bytes(len(buffer))
        return len(buffer)
    try:
        return os.preadv(descriptor, [buffer], offset)
    except (OSError, OverflowError):
        return 0
