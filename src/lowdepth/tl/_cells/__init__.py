"""Cells as a model sees them: registered, thinned, in bins of depth, and their neighbours."""
