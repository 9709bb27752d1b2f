"""Several methods on the same cells."""
