"""Named settings of the model, so that nobody has to tune it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lowdepth._checks import one_of

from ._schedule import MOST_EPOCHS

if TYPE_CHECKING:
    from collections.abc import Mapping

_TUTORIAL = {"n_latent": 32, "gene_likelihood": "nb"}

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "scvi": {**_TUTORIAL, "use_joint_embedding": False},
        "paper": {
            **_TUTORIAL,
            "use_joint_embedding": True,
            "joint_embedding_weight": 100.0,
            "lambda_off_diag": 0.01,
            "min_library_size": 10.0,
            "reconstruction_weight": 1.0,
            "variance_weight": 0.0,
        },
        "denoise": {
            **_TUTORIAL,
            "use_joint_embedding": True,
            "joint_embedding_weight": 10.0,
            "correlate_within_batches": True,
            "encoder_input": "direction",
            "denoising_weight": 1.0,
            "reconstruction_epochs": 50,
            "n_layers": 2,
            "n_decoder_layers": 1,
            "start_at_data": True,
            "average_weights": True,
            "forgetting_epochs": 100,
        },
    }
)
"""Plain scVI and the published objective, both as in the method's tutorial, and the default (docs/default.md)."""


MANY_CELLS = 10_000
"""From here on the default is a wide network; fewer cells it learns by heart, noise and all (docs/default.md)."""


def hidden_units_for(n_obs: int) -> int:
    """Give the width of the default's network, scVI's own for few cells and twice that for many.

    >>> hidden_units_for(2_600), hidden_units_for(48_000)
    (128, 256)
    """
    return 256 if n_obs >= MANY_CELLS else 128


def most_epochs_for(n_obs: int) -> int:
    """Give the passes over the data at which the default stops: few cells, shown often, are learnt by heart.

    One for every 20 cells, a rule of thumb (docs/default.md), from 100 to the 400 of scvi-tools.

    >>> most_epochs_for(2_000), most_epochs_for(4_000), most_epochs_for(48_000)
    (100, 200, 400)
    """
    return min(max(100, n_obs // 20), MOST_EPOCHS)


class SavedPreset(str):
    """Name of a preset whose settings are all given, as they were when a model was saved: presets may change."""

    __slots__ = ()


def resolve_preset(preset: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings of a preset with the user's own put over them.

    >>> resolve_preset("scvi", {"n_latent": 10})
    {'n_latent': 10, 'gene_likelihood': 'nb', 'use_joint_embedding': False}
    """
    if isinstance(preset, SavedPreset):
        return dict(overrides)
    one_of("preset", preset, list(PRESETS))
    return {**PRESETS[preset], **overrides}
