"""From header to header and from link to link: heaps and free lists as columns."""
