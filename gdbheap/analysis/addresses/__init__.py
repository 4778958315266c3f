"""What one address is: mapping, symbol, chunk, who points there, what an access would do."""
