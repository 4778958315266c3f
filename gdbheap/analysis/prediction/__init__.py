"""What the next calls of malloc and free would return or abort with, asked of the model."""
