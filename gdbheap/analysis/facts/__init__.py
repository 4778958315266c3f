"""What analysis states, without words: one small value for each kind of fact."""
