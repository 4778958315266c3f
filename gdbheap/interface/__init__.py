"""What a command is: its arguments, completion, help and settings."""
