"""The post-mortem of an abort inside malloc: its text, the check that failed, the chunk it was about."""
