"""One measurement of a live model, from the first pair to the result."""
