"""What glibc's malloc says the bytes mean."""
