"""All that is known of one address: its mapping, page and symbol, the chunk of glibc's that it is in."""
