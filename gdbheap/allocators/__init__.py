"""What any allocator's heap is to those who ask about blocks: blocks, what is the allocator's own, where both lie."""
