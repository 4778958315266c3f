"""Call stacks out of call frame information: where each caller was, and what its registers held."""
