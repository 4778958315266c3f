"""Where a heap does not hold together: the field that is wrong, where chunks go on, the real top."""
