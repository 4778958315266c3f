"""aarch64 (64-bit ARM)."""
