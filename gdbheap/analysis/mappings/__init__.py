"""What one address is: mapping, symbol, chunk, what an access would do."""
