"""ELF and DWARF files: symbols, struct layouts, TLS offsets, core files. The only user of pyelftools."""
