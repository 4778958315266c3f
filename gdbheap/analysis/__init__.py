"""Questions asked of a HeapView and an AddressSpace."""
