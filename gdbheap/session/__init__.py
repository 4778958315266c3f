"""What commands share about one stop, computed once."""
