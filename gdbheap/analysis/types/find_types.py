"""What type each block has: all passes, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.types.appended_data import appended_data
from gdbheap.analysis.types.bases import bases
from gdbheap.analysis.types.block_types import BlockTypes, no_types
from gdbheap.analysis.types.brothers import brothers
from gdbheap.analysis.types.by_targets import ByTargets
from gdbheap.analysis.types.by_values import ByValues
from gdbheap.analysis.types.bytes_and_pointers import lone_trees
from gdbheap.analysis.types.callbacks import Callbacks
from gdbheap.analysis.types.claims import Claims, joined
from gdbheap.analysis.types.common_headers import common_headers
from gdbheap.analysis.types.cookies import counted_arrays
from gdbheap.analysis.types.counted_behind import counted_behind
from gdbheap.analysis.types.counted_texts import counted_texts
from gdbheap.analysis.types.data_blocks import data_blocks
from gdbheap.analysis.types.erased import Erased
from gdbheap.analysis.types.handles import handle_arrays
from gdbheap.analysis.types.held_arrays import held_arrays
from gdbheap.analysis.types.kin_arrays import settle_arrays
from gdbheap.analysis.types.libcxx import lay_out_shared
from gdbheap.analysis.types.libstdcxx import lay_out_buffers
from gdbheap.analysis.types.lone_texts import lone_texts
from gdbheap.analysis.types.lost_objects import lost_objects, undecided_nodes
from gdbheap.analysis.types.one_container import one_container
from gdbheap.analysis.types.outcome import outcome
from gdbheap.analysis.types.own_headers import behind_headers, own_header, with_headers
from gdbheap.analysis.types.parts import parts
from gdbheap.analysis.types.pointer_arrays import pointer_arrays
from gdbheap.analysis.types.propagation import Propagation
from gdbheap.analysis.types.root_words import covering_roots, register_words, root_words
from gdbheap.analysis.types.rules import FIRST_CLAIMS, LATER_CLAIMS, LAYOUT_RULES
from gdbheap.analysis.types.slots import VOID, Layouts
from gdbheap.analysis.types.static_brothers import StaticBrothers
from gdbheap.analysis.types.static_targets import StaticTargets
from gdbheap.analysis.types.tagged_lists import TaggedLists
from gdbheap.analysis.types.typing_state import TypeSources, TypingState
from gdbheap.analysis.types.unions import unions
from gdbheap.analysis.types.without_tags import without_tags
from gdbheap.analysis.types.words import TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.kept_memory import KeptMemory
from gdbheap.process.process import Process
from gdbheap.types.type_book import TypeBook
from gdbheap.types.typed_root import RootKind

# A pass that looks at the words whose targets are not known yet.
Pass = Callable[[TypedWords], Claims]
# So many bytes of blocks are kept, and so many more for each block: no more than what is noted of them.
_KEPT, _KEPT_FOR_EACH = 32 << 20, 32
# So often passes are gone through: each round but the last finds something new.
_MOST_ROUNDS = 4096
# Guesses lead to new ones, so often at most.
_MOST_GUESSES = 12


def find_types(sources: TypeSources, held: PointerGraph) -> BlockTypes:
    """Return what is known of every block, without labels (label_blocks.py has them). Ctrl-C keeps what is known by
    then."""
    process = sources.process
    if not len(held.blocks):
        return no_types(held.blocks.start, len(held.graph.source), sources.catalogue)
    sources = replace(sources, process=without_tags(_keeping(process, held.blocks), held.blocks))
    found = _found(sources, held)
    header = own_header(found, process.pointer_size)
    if header and not found.interrupted:
        second = _found(sources, behind_headers(held, header), header)
        if np.count_nonzero(second.type >= 0) > np.count_nonzero(found.type >= 0):
            return with_headers(second, held, header)
    return found


def _keeping(process: Process, blocks: Blocks) -> Process:
    """Return the process with memory that keeps what the blocks hold, unless that is too much."""
    spans = blocks.ranges()
    if sum(end - start for start, end in spans) > _KEPT + _KEPT_FOR_EACH * len(blocks):
        return process
    return replace(process, memory=KeptMemory(process.memory, spans))


def _found(sources: TypeSources, held: PointerGraph, header: int = 0) -> BlockTypes:
    book = TypeBook(sources.catalogue)
    lay_out_buffers(book)
    lay_out_shared(book)
    layouts = Layouts(book, sources.process.pointer_size, LAYOUT_RULES, header)
    state = TypingState(sources, held, book, layouts)
    interrupted = held.interrupted
    try:
        _fill(state)
    except KeyboardInterrupt:
        interrupted = True
    return outcome(state, interrupted)


def _fill(state: TypingState) -> None:
    embedded = state.embedded
    propagation = Propagation(state, embedded)
    tagged_lists = TaggedLists(state)
    passes: list[Pass] = [
        lambda words: held_arrays(state, words),
        lambda words: pointer_arrays(state, words),
        lambda words: handle_arrays(state, words),
        lambda words: counted_arrays(state, words),
        lambda words: counted_behind(state, words),
        tagged_lists.find,
        lambda words: bases(state, embedded, words),
        lambda words: parts(state, embedded, words),
    ]
    for rule in FIRST_CLAIMS:
        propagation.believe(joined(list(rule(state))))
    # What lasts comes first: a local variable may hold what was there before it.
    for local in (False, True):
        roots = [root for root in state.roots if (root.kind is RootKind.LOCAL) == local and root.word is None]
        propagation.follow(root_words(state, roots, covering_roots(state, roots)))
        propagation.follow(register_words(state, [r for r in state.roots if local and r.word is not None]))
        _settle(state, propagation, passes)
    by_targets, static_brothers, static_targets = ByTargets(state), StaticBrothers(state), StaticTargets(state)
    callbacks, by_values, erased = Callbacks(state), ByValues(state), Erased(state)
    for rounds in range(_MOST_GUESSES):
        # (What follows from this is no guess: it comes before those.)
        told_by_statics = propagation.believe(static_targets.find())
        told_by_statics += propagation.believe(erased.find())
        told_by_statics += propagation.believe(callbacks.find())
        if told_by_statics:
            _settle(state, propagation, passes)
        words = propagation.waiting()
        told = np.zeros(len(state), np.bool_)
        if words is not None:
            # (A void * tells nothing, and what a marked pointer leads to may be something else.)
            telling = (words.offset == 0) | (words.offset >= state.process.pointer_size)
            told[words.target[telling & (words.code != VOID)]] = True
        found = propagation.believe(lost_objects(state, rounds))
        found += told_by_statics + propagation.believe(static_brothers.find())
        found += propagation.believe(lone_trees(state))
        found += propagation.believe(brothers(state)) + propagation.believe(by_targets.find(told | state.undecided))
        if not found:
            found = any(
                propagation.believe(each(state))
                for each in (common_headers, appended_data, one_container, counted_texts)
            )
            found = found or bool(propagation.believe(by_values.find())) or bool(propagation.look_inside())
        if not found:
            break
        _settle(state, propagation, passes)
    settle_arrays(state)
    words = propagation.waiting()
    if words is not None:
        propagation.believe(data_blocks(state, words))
    propagation.believe(undecided_nodes(state))
    propagation.believe(lone_texts(state))


def _settle(state: TypingState, propagation: Propagation, passes: list[Pass]) -> None:
    """Go through the passes until none finds anything new; the first that does begins anew."""
    for _ in range(_MOST_ROUNDS):
        words = propagation.waiting()
        if words is not None and any(propagation.believe(each(words)) for each in passes):
            continue
        if propagation.look_into_storage():
            continue
        told = None if words is None else unions(state, words)
        if told is not None and propagation.retype(told):
            continue
        if not any(propagation.believe(joined(list(rule(state)))) for rule in LATER_CLAIMS):
            return
