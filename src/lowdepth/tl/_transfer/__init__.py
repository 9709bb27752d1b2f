"""Labels from deep cells to shallow ones, calibrated, as single types or as sets, and for new cells."""
