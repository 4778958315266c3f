"""A process as its processor sees it, where that ignores pointers' upper bits."""

from __future__ import annotations

from dataclasses import replace

from gdbheap.allocators.blocks import Blocks
from gdbheap.process.columns.tagless import TaglessMemory, Tags
from gdbheap.process.process import Process


def without_tags(process: Process, blocks: Blocks) -> Process:
    """Return the process with memory in which pointers to blocks have no tags, where its processor ignores them."""
    machine = process.machine
    if not machine.tag_bits or not len(blocks):
        return process
    tags = Tags(machine.mask >> machine.tag_bits, int(blocks.start[0]), int(blocks.end[-1]))
    return replace(process, memory=TaglessMemory(process.memory, tags))
