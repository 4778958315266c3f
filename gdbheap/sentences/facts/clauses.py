"""What a broken field must hold, how that is known, and which call dies of it."""

from __future__ import annotations

from gdbheap.analysis.invariants.finding import Must
from gdbheap.process.clause import Clause
from gdbheap.process.fault import Message
from gdbheap.sentences.facts.address_clauses import ADDRESS_CLAUSES
from gdbheap.sentences.facts.locating import LOCATING
from gdbheap.sentences.facts.phrases import Phrases, Template
from gdbheap.sentences.facts.reading import READING
from gdbheap.sentences.facts.titles import TITLES

CLAUSES = {
    "a_size_between": "{least:#x} to {most:#x} (flags aside)",
    "address_last_chunk_heap": "the address of the last chunk of the heap",
    "address_thread_s_tcache_heap_0": "the address of the thread's tcache, in a heap, or 0",
    "any_call_takes_merges_free_chunk": "any call that takes or merges the free chunk",
    "any_free_block_heap": "any free of a block of this heap",
    "any_free_block_heap_goes_what": (
        "any free of a block of this heap: it goes to what ar_ptr leads to, mostly a SIGSEGV"
    ),
    "arena_behind": "the arena after it",
    "arena_whose_heap": "the arena whose heap it is",
    "as_hp_pagesize_is": ", as hp_pagesize is",
    "as_tcache_max_bytes_makes_it": ", as tcache_max_bytes, {tcache_max_bytes:#x}, makes it",
    "at_least_system_mem": "at least system_mem, {system_mem:#x}",
    "at_least_the_end": "at least {end}",
    "at_most_a_full_list": "at most {full}",
    "at_most_tcache_count": "at most mp_.tcache_count, {full}",
    "at_most_that_size": "at most {size:#x} (flags aside)",
    "at_most_the_last_mode": "at most {last}",
    "at_most_the_maximum": "at most {maximum}, {value:#x}",
    "at_most_the_tcache_bins": "at most {tcache_bins}",
    "at_most_what_a_bin_caches": "at most {most_cached}",
    "bin_itself": ", the bin itself",
    "bin_s_link": "{field} of the bin in {list}",
    "bit_0_says_huge_pages_mp_": "bit 0 says that it is of huge pages, and mp_.hp_pagesize is 0",
    "block_around_cannot_end_malloc_followed": (
        "the block around it, at {address}, cannot end there, so malloc followed a header or a link that was "
        "forged; who wrote that is no longer visible"
    ),
    "block_handed_out_and_link_followed": (
        "it leads to {first}; malloc has handed the block out since, and followed the link: the head of "
        "{list} is {head} now, where no chunk begins"
    ),
    "chunk_aligned_mapping_other_word_header": (
        "the chunk was aligned in its mapping, and the other word of its header is whole"
    ),
    "chunk_before_is_in_no_bin": "the chunk before it, at {address}, is in no bin; {below}",
    "chunk_either_block_written_after_free": (
        "the chunk is in {list}; either the block was written after its free, or the link that leads to it is wrong"
    ),
    "chunk_either_size_field_link_leads": (
        "the chunk is in {list}; either its size field or the link that leads to it is wrong"
    ),
    "chunk_followed_one": "a {label} chunk is followed by a {what} one",
    "chunk_not_free_one_before": "that of a chunk that is not free: the one before, at {address}, is",
    "chunk_not_ring_sizes": ": the chunk is not in the ring of sizes",
    "chunk_s_link": "{field} of a chunk in {list}",
    "comes_call_number_from_now": "the {nth} {take} from now",
    "end_these_threads_assertion": 'the end of these threads: the assertion "a->attached_threads > 0" of the last',
    "fastbins_arena_hold_chunks": "fastbins of the arena hold chunks",
    "fenceposts_before_close_top_went_size": (
        "the fenceposts before {start} close a top that went on to {end}: its size had been overwritten with "
        "a smaller one, and malloc itself has followed that, and counts {size:#x} bytes twice in system_mem; "
        "the size is no longer visible, and was at {value} if the chunk there is all that top had"
    ),
    "first_heap_s_two_fenceposts": ", the first of the heap's two fenceposts",
    "flag_is": "{flag} is {state}",
    "free_block_above_top_another_heap": (
        'a free of a block above top, in another heap of the arena: "double free or corruption (out)"'
    ),
    "free_block_looks_freed_already": "a free of a block that looks freed already",
    "free_block_once_malloc_handed_out": "a free of the block, once malloc has handed it out",
    "free_block_takes_one_another_size": "free of this block takes it for one of another size",
    "free_chunk_before_top_would_have": "a free chunk before top would have become part of it",
    "free_gives_back_heap_behind_one": (
        "the free that gives back the heap after this one: an assertion of heap_trim; a free of the block below"
    ),
    "free_list_holds": "a free list holds it",
    "free_mem_chunk_behind_does_not": "a free(mem) of the next chunk does not merge the two",
    "free_mem_merges_what_no_chunk": "free(mem) merges it with something that is not a chunk",
    "free_mem_takes_chunk_arena": "free(mem) takes it for a chunk of an arena",
    "free_mem_takes_chunk_one_another": "free(mem) takes the chunk for one of another arena's",
    "free_mem_takes_mapping_own": "free(mem) takes it for a mapping of its own",
    "free_neighbour_malloc_takes_from_bin": "the free of a neighbour, or a malloc that takes it from the bin",
    "free_of_a_neighbour": "the free of a neighbour",
    "free_of_a_neighbour_or_malloc": "the free of a neighbour, or the malloc that takes it",
    "free_of_block_aborts": 'free of this block: "{text}"',
    "free_of_block_below_aborts": 'free of the block below: "{text}" (unless a tcache takes it)',
    "free_of_next_chunk_merges": (
        'a free of the next chunk merges downwards: "{consolidating}"; a free of this block: "double free or '
        'corruption (!prev)"'
    ),
    "free_of_this_block_aborts": 'a free of this block: "double free or corruption (!prev)"',
    "free_realloc_block_munmap_chunk_invalid": (
        'the free or realloc of that block: "munmap_chunk(): invalid pointer" or "mremap_chunk(): invalid pointer"'
    ),
    "free_realloc_takes_one_huge_pages": "its free or realloc takes it for one of huge pages",
    "free_realloc_unmaps_blocks_behind_too": "its free or realloc unmaps the blocks after it too",
    "free_realloc_unmaps_too_little_too": "its free or realloc unmaps too little or too much",
    "free_size_beyond_last_bin_writes": "a free of a size beyond the last bin writes past the tcache",
    "free_slots_of_the_list": " ({full} less the {count} of the list)",
    "free_taken_or_waited_for": "0 (free), 1 (taken) or 2 (taken, and others wait)",
    "heap_has_that_much": "its heap has that much",
    "heap_in_use": "the heap at {address} has {size:#x} bytes in use",
    "heap_writable_up": "the heap is writable up to {value}",
    "heaps_have_that_much": "its {count} heaps have that much",
    "hold_freed_twice_link_overwritten": (
        "{names} hold it: it was freed twice, or a link was overwritten with its address"
    ),
    "in_the_middle_of_this": "{what}, in the middle of this one",
    "inside_a_block": "{what}, inside the block at {address} of {size} bytes; {why}",
    "known_links_before_what_threads_use": (
        "{detail}; {count:arena} known, by the links before it and by what the threads use"
    ),
    "leads_back_to_an_arena": "it leads back to arena {arena}",
    "leads_into_the_list": "leads to {target}, which is in the list already",
    "leads_not_aligned": "leads to {target}, which is not aligned",
    "leads_to_a_used_arena": "it leads to arena {arena}, whose attached_threads is {used}",
    "leads_to_another_size": "leads to {target}, a chunk of another size, whose own link leads nowhere",
    "leads_to_no_chunk": "leads to {target}, where no chunk begins",
    "least_size_chunk_before_from_bk": (
        "at least {value:#x}, the size of the chunk before it from the bk end, {before:#x}"
    ),
    "link_behind": "{leads}; it is the link after {count} of {list}",
    "link_free_chunk_long_list_held": "the link of a free chunk, as long as a list held the block",
    "link_one_list_only": "the link of one list only",
    "link_or_end": "the address of a free chunk{size}, or the list's end",
    "list_holds": "{list} holds {count}",
    "list_holds_or_was_cut": (
        "{list} holds {count}; else the count is right, and its head or a link in it was overwritten with 0"
    ),
    "list_holds_chunk": "{list} holds a chunk at {chunk}",
    "list_leads_out_of_heaps": "{list} leads to {chunk}, which is in no heap",
    "malloc_free_size_no_tcache_bin": "a malloc or free of a size that has no tcache bin",
    "malloc_free_takes_chunk_neighbour_ring": (
        "a malloc or free that takes the chunk or a neighbour of the ring out of the bin; or one that sorts "
        'another in: "malloc(): largebin double linked list corrupted (nextsize)"'
    ),
    "malloc_free_takes_chunk_out_list": "the malloc or free that takes the chunk out of its list",
    "malloc_hands_out_another_arena_s": "malloc hands it out as another arena's",
    "malloc_hands_out_what_link_leads": "malloc({value:#x}) hands out what the link leads to",
    "malloc_heap_grows_sigsegv": "a malloc for which the heap grows: a SIGSEGV",
    "malloc_itself_followed_forged_header": (
        "malloc itself has followed this forged header: the free of {end} merged it with what its prev_size "
        "led to, and {what}, inside the block at {around}"
    ),
    "malloc_itself_followed_overwritten_link": (
        "malloc itself has followed an overwritten link: it copied this from bk_nextsize of the chunk "
        "{owner}, at {where}, when it sorted this one in before that"
    ),
    "malloc_itself_put_took_chunk_from": (
        "malloc itself put it there: it took the chunk {taken} from this bin, whose bk had been overwritten"
    ),
    "malloc_large_block_may_get_one": "a malloc of a large block may get one that is too small",
    "malloc_size_comes_free_neighbour": (
        'the malloc of this size that takes it; a free of a neighbour: "corrupted double-linked list"'
    ),
    "malloc_size_takes_from_list_less": (
        "a malloc of this size: it takes from a list that has less, or leaves chunks in one that it believes empty"
    ),
    "malloc_takes_first": (
        'the malloc({size:#x}) that takes it; before that a free that puts another in front of it: "invalid '
        'fastbin entry (free)" (a large malloc or free comes first: "malloc_consolidate(): invalid chunk '
        'size")'
    ),
    "malloc_takes_it": (
        'the malloc({size:#x}) that takes it (a large malloc or free comes first: "malloc_consolidate(): '
        'invalid chunk size")'
    ),
    "malloc_that_takes_it": "the malloc that takes it",
    "malloc_that_takes_it_or_large": "the malloc that takes it; a large malloc or free before",
    "mangled_link_or_end": "the mangled address of a free chunk{size}, or the list's end",
    "mapping_goes_mp__mmapped_mem_counts": "the mapping continues to {limit}, and mp_.mmapped_mem counts as much",
    "mmapped_chunk_begins_all_mp__counts": (
        "an mmapped chunk begins at {page}, and with it all are there that mp_ counts"
    ),
    "mmapped_chunks_have_much": "the {count} mmapped chunks have that much",
    "most_system_mem_such_top_ends_where": (
        "at most system_mem, {system_mem:#x}, and such that top ends where the heap does"
    ),
    "mp__counts_one_mmapped_chunk_more": (
        "mp_ counts one mmapped chunk more, of {length:#x} bytes, and there is room for one here"
    ),
    "nearly_every_tcache_bin_free_slots": (
        "in nearly every tcache bin the free slots and the chunks of the list add up to that many"
    ),
    "next_arena_ring_main_arena": "the next arena of the ring, or main_arena",
    "next_free_merges_into_top_gives": (
        "the next free that merges into top and gives the heap back: heap_trim follows prev"
    ),
    "next_malloc_asks_system_memory": "the next malloc that asks the system for memory",
    "next_malloc_free_arena_waits_ever": (
        "the next malloc or free in this arena waits forever, once the process has two threads"
    ),
    "next_malloc_free_grows_shrinks_heap": (
        "the next malloc or free that grows or shrinks this heap: by pages of that size"
    ),
    "next_malloc_free_grows_shrinks_leaves": "the next malloc or free that grows, shrinks or leaves this heap",
    "next_malloc_free_small_block_thread": (
        "the next malloc or free of a small block in thread {number}, by a segmentation fault"
    ),
    "next_malloc_heap_must_grow_sigsegv": (
        "the next malloc for which the heap must grow; or a SIGSEGV, when top is written to beyond the break"
    ),
    "next_malloc_no_free_chunk_serves": "the next malloc that no free chunk serves",
    "next_malloc_sorts_unsorted_bin": "the next malloc that sorts the unsorted bin",
    "next_malloc_sorts_unsorted_bin_before": (
        'the next malloc that sorts the unsorted bin; before it a free: "free(): corrupted unsorted chunks"'
    ),
    "next_malloc_that_follows_top": (
        "the next malloc that no free chunk serves, by what is in memory where top leads to: '{text}' or a SIGSEGV"
    ),
    "next_malloc_top_cannot_serve_assertion": (
        "the next malloc that top cannot serve: the assertion on old_top in sysmalloc"
    ),
    "next_new_thread_takes_from_list": (
        'the next new thread that takes it from the list: the assertion "result->attached_threads == 0" or a SIGSEGV'
    ),
    "next_new_thread_when_looks_arena": (
        "the next new thread, when it looks for an arena; malloc_trim, mallinfo and fork go round the ring too"
    ),
    "no_arena_is_there": "no arena is there",
    "no_bit_but_noncontiguous_used": "no bit but NONCONTIGUOUS, {noncontiguous}, is used",
    "no_call": "none",
    "no_call_at_once": "none at once",
    "no_call_but_sizes_get_mixed": (
        "none at once: malloc({value:#x}) hands the block out, its free takes it for one of {size:#x}"
    ),
    "noncontiguous_clear_arena_not_main_one": "NONCONTIGUOUS is clear, and the arena is not the main one",
    "noncontiguous_set_yet_brk_gave_all": "NONCONTIGUOUS is set, yet brk gave all that the arena has",
    "none_arena_never_free_new_thread": "none: the arena is never free for a new thread",
    "none_bits_never_looked": "none: the bits are never looked at",
    "none_but_second_free_block_not": (
        "none: but a second free of this block is not noticed, and puts it in a list twice"
    ),
    "none_counters_mallinfo_limit_mmapped": (
        "none: the counters are for mallinfo, and for the limit on mmapped chunks"
    ),
    "none_counts_1": "none: it counts as 1",
    "none_counts_another_mode": "none: it counts as another mode",
    "none_dies_once_block_may_list": "none aborts on it at once; the block may be in a list though it is in use",
    "none_flags_used_huge_pages_only": "none: the flags are used with huge pages only",
    "none_free_no_longer_sees_block": "none: free no longer sees that a block ends above the heap",
    "none_heap_mprotected_again": "none: the heap is mprotected again",
    "none_list_grows_longer_than_may": "none: the list grows longer than it may",
    "none_malloc_clears_when_comes": "none: malloc clears it when it comes to it",
    "none_malloc_does_not_consolidate_fast": (
        "none: malloc does not consolidate the fast chunks when it needs large ones, and grows the heap instead"
    ),
    "none_malloc_does_not_find_these": "none: malloc does not find these chunks for smaller requests",
    "none_malloc_info_malloc_stats": "none: it is for malloc_info and malloc_stats",
    "none_malloc_only_compares_address_chunk": "none: malloc only compares it with the address of a chunk",
    "none_malloc_only_sets_first_sbrk": "none: malloc only sets it at its first sbrk",
    "none_no_tcache_list_ever_full": "none: no tcache list is ever full",
    "none_once_block_handed_out_freed": (
        "none at once: the block that is handed out or freed as too long overlaps the next"
    ),
    "none_once_call_number_from_now": "none at once: the {nth} {take} from now hands it out",
    "none_once_checks_malloc_free_measure": "none at once: the checks of malloc and free measure sizes by it",
    "none_once_every_tcache_list_taken": "none at once: every tcache list is taken for longer or shorter than it is",
    "none_once_malloc_hands_block_out": "none at once: malloc hands the block out twice",
    "none_once_memory_belongs_two_blocks": "none at once: the memory belongs to two blocks",
    "none_once_memory_up_lost": "none at once: the memory up to there is lost",
    "of_a_chunk_in_the_heap": "that of a chunk in the heap",
    "one_of_the_page_sizes": "{sizes}",
    "one_size": "{size:#x} (flags aside)",
    "prev_size_agrees": "prev_size agrees with it",
    "prev_size_chunk": "prev_size is {prev_size:#x}, the chunk is of {size:#x}",
    "sbrk_base_and_system_mem_counted_twice": (
        "sbrk_base {base} and system_mem {system_mem:#x} make it end at {end} ({twice:#x} of it are counted twice)"
    ),
    "sbrk_base_system_mem_make_end": "sbrk_base {base} and system_mem {system_mem:#x} make it end at {end}",
    "sbrk_base_top_ends_program_break": "sbrk_base is {base}, and top ends at the program break, {end}",
    "size_chunk_multiple_alignment_within": "the size of a chunk: a multiple of the alignment, within the heap",
    "size_chunk_such_chunks_go_bytes": (
        "the size of a chunk, such as {example:#x}: chunks continue {size:#x} bytes further on"
    ),
    "size_of_the_free_chunk": "the free chunk at {address} has that size",
    "such_top_ends_page": "such that top ends at a page",
    "the_free_chunk_ends_at": (
        "it is free, and ends at {end}: the word there says {size:#x} too, and that the chunk before it is free"
    ),
    "those_have_all_bytes_mmapped_mem": "those that are there have all the bytes of mmapped_mem",
    "threads_have_their_thread_arena": "{least} threads have it as their thread_arena",
    "top_does_not_end_somebody_else": "top does not end there: other code has moved the break down",
    "top_ends_program_break_system_mem": "top ends at the program break, {end}, and system_mem is {system_mem:#x}",
    "top_ends_system_mem_fits": "top ends there, and system_mem, {system_mem:#x}, fits",
    "top_is_there": "top is at {top} now",
    "top_never_is_mmapped_non_main_arena": "top never has IS_MMAPPED or NON_MAIN_ARENA",
    "top_would_end": "top would end at {end}",
    "where_heap_begins": "where the heap begins",
    "whole_pages_of_the_readable": "whole pages, at most mprotect_size, {readable:#x}",
    "whole_pages_of_the_reserve": "whole pages, at most {heap_max:#x}",
    "whole_pages_up_to_mprotect_size": "whole pages, at most mprotect_size, {mprotect_size:#x}",
    "zero_or_a_chunk_but_misaligned": "0 or the address of what was a chunk: it is misaligned",
    "zero_or_a_chunk_of_this_heap": "0 or what was a chunk of this heap, from {base} to {end}",
    "zero_or_a_huge_page": "0 or the size of a huge page",
    "zero_or_an_unused_arena": "0 or another arena that no thread uses",
    "zero_or_one": "0 or 1",
    "zero_or_the_heap_before": "0 or the heap_info of the heap before",
}


BY_NAME = {**CLAUSES, **ADDRESS_CLAUSES, **TITLES, **READING, **LOCATING}


def _clause(fact: Clause) -> str:
    return BY_NAME[fact.name].replace("{nth}", _ordinal(fact.values().get("after", 0)))


def _ordinal(number: int) -> str:
    """Return "1st", "2nd", "3rd", "11th"."""
    last = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{last}"


def _must(fact: Must) -> str:
    if fact.rule is not None or fact.value is None:
        return "" if fact.rule is None else "{rule}"
    value = str(fact.value) if fact.is_number else f"{fact.value:#x}"
    return value if fact.more is None else f"{value}{{more}}"


def _message(fact: Message) -> str:
    return " or ".join(fact.texts if fact.name is None else (*fact.texts, "{name}"))


PHRASES: Phrases = {Message: Template(_message), Clause: Template(_clause), Must: Template(_must)}
