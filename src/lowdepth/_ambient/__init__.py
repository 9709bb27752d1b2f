"""How much of a cell ambient RNA explains: the array level."""

from __future__ import annotations

from ._explained import Ambient, explain_by_ambient, type_profiles
from ._largest_share import largest_share, least_shares
from ._profile import AmbientProfile, ambient_counts

__all__ = [
    "Ambient",
    "AmbientProfile",
    "ambient_counts",
    "explain_by_ambient",
    "largest_share",
    "least_shares",
    "type_profiles",
]
