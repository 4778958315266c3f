"""A core with the files that its process had mapped, in one file that another machine reads."""
