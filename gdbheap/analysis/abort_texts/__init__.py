"""What glibc prints when malloc or free finds an error: each text, the check behind it, the glibcs that have it."""
