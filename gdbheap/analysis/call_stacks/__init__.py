"""What the frames of a thread tell: whose code it is in, which call of malloc's is in progress."""
