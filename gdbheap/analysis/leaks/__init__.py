"""Who holds which chunk: the graph of pointers, its roots, what is lost, and what a lost block is."""
