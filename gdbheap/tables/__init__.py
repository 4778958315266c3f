"""The rows of answers that more than one question makes, or that take work: columns, and how what analysis found
becomes cells."""
