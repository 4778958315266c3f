"""Who keeps what alive: the dominator tree of the pointer graph, what each root and block retains, and how that is
summed up."""
