"""What debug information says of an address of code: its functions, lines, variables, and what calls passed."""
