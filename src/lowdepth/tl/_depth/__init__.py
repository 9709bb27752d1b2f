"""What depth does to an embedding."""
