"""What the reader of a glibc heap found on its way: broken fields, and what it could not read."""

from __future__ import annotations

READING = {
    "ar_ptr_is_not_arena": "ar_ptr is {ar_ptr}, the arena is {arena}",
    "arena_has_top": "arena {arena} has top {top}",
    "bin_link_loops": "{target} comes again after {before:chunk} from the {link} end: a loop",
    "bin_link_misaligned": "{link} is {target}, misaligned, after {before:chunk} from the {link} end",
    "bin_link_not_returned": (
        "{back} is {held}, but its {link} neighbour is reached from {came_from}, after {before:chunk} from "
        "the {link} end"
    ),
    "bin_link_unmapped": "{link} is {target}, where nothing is mapped, after {before:chunk} from the {link} end",
    "chunks_lead_to_other_top": "top is {top}, but the chunks from {start} on lead to {found}, the last of the heap",
    "comes_again_in_list": "{address} comes again after {before:chunk} of the list",
    "ends_of_bin_differ": "the bin's fd is {fd}, but the last chunk met from the bk end is {last}",
    "fencepost_sizes": "size field is {held:#x}, the heap's fenceposts are {first:#x} and 0 bytes",
    "fenceposts_expected": "size field is {held:#x}, the heap must end in fenceposts from {first} on",
    "heap_names_nothing": "whose heap at {heap} names nothing readable as its arena",
    "heap_names_other_arena": "whose heap at {heap} names {arena} as its arena",
    "heap_size_too_large": "size is {size:#x}, a heap has at most {most:#x}",
    "link_misaligned": "link {link} after {before:chunk} of the list",
    "list_holds_it_too": "{list} holds it too",
    "list_holds_no_chunk": "{list} holds {chunk}, where no chunk begins",
    "mappings_not_shown": (
        "this target does not list its mappings: memory was found by following pointers, so an mmapped chunk that "
        "nothing points to is missing here"
    ),
    "memory_at_unreadable": "memory at {address} cannot be read; {then}",
    "memory_unreadable": "cannot read {size} bytes at {address}",
    "mmapped_not_as_counted": (
        "{count:mmapped chunk} of {bytes:#x} bytes found by their headers, but mp_ counts {counted} of {total:#x}"
    ),
    "mmapped_without_mp": "{count:mmapped chunk} found by their headers; mp_ is not known, so none of them is certain",
    "next_is": "next is {next}, {why}",
    "next_met_before": "next is {next}, which was met before main_arena",
    "next_past_arena": "next is {next}, past the arena at {arena}, which is in use",
    "no_arena_can_be": "where no arena can be",
    "no_chunks_up_to": "nothing up to {end} could be read as chunks",
    "nothing_mapped_in_list": "nothing is mapped at {address}, after {before:chunk} of the list",
    "prev_leads_back": "prev leads back to {heap}",
    "prev_misaligned": "prev is {prev}, heaps lie at multiples of {alignment:#x}",
    "prev_unreadable": "prev is {prev}: {why}",
    "size_field_is": "size field is {held:#x}, {why}",
    "size_leads_astray": "which leads to {end}, into the middle of another chunk or out of the heap; {then}",
    "size_misaligned": "not a multiple of {alignment}; {then}",
    "size_too_large": "and the chunk would end at {end}, past the heap's last; {then}",
    "size_too_small": "less than the smallest chunk, {least:#x}; {then}",
    "tcache_of_thread_unknown": "the tcache of thread {thread} is not known ({why}): what it holds counts as in use",
    "threads_not_held": "gdb does not hold {count:thread} of this process: what their tcaches hold counts as in use",
    "top_size_and_room": "size field of top is {held:#x}, there are {room:#x} bytes to the end of the heap",
    "top_size_over_system_mem": "size field of top is {held:#x}, system_mem is {system_mem:#x}",
    "top_unmapped": "top is {top}, where no heap is mapped",
    "walk_resumes": "the walk resumes at {at}, the first header from which the chunks go on",
}
