"""How many cells are recognised at each depth, and which ones that allows to keep."""
