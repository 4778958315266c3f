"""What type each block of the heap has: names carried from variables along typed pointers."""
