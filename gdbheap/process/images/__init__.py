"""ELF as it lies in memory: headers, dynamic section, link maps, the initial stack."""
