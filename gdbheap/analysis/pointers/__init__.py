"""Who points where: blocks, roots, the graph of pointers, reach, owners, search."""
