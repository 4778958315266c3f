"""What `tests/run` is made of: whole Debian systems as root directories, and the tests run inside each of them."""
