"""Types and variables out of DWARF: each entry is read once, and made into rows that numpy settles."""
