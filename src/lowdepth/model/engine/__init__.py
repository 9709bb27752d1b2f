"""The arithmetic of training on the non-zeros: exact, and without an array of cells by genes.

On the CPU the work is done by compiled loops over float32, elsewhere by torch's own operations.
"""

from __future__ import annotations

from ._likelihood import decoder_log_likelihood
from ._logarithm import log1p_of_counts
from ._sparse_counts import SparseCounts, take_rows
from ._sparse_linear import sparse_linear
from ._thinned_values import thinned_values

__all__ = ["SparseCounts", "decoder_log_likelihood", "log1p_of_counts", "sparse_linear", "take_rows", "thinned_values"]
