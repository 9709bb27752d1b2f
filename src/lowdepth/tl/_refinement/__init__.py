"""Shallow cells move to the deep cells that explain their counts."""
