"""What a model says of itself, in a console and in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scvi.model.base import BaseModelClass


def as_text(model: BaseModelClass) -> str:
    """Give settings, training and cells, where scvi-tools prints in colours and gives nothing."""
    return f"{model._model_summary_string}\n{_state(model)}"


def as_html(model: BaseModelClass) -> str:
    """Give the state, and the settings behind it."""
    kind, _, settings = model._model_summary_string.partition(", with ")
    return (
        f"<p><strong>{escape(kind)}</strong>: {escape(_state(model))}</p>"
        f"<details><summary>Settings</summary>{escape(settings)}</details>"
    )


def _state(model: BaseModelClass) -> str:
    state = "trained" if model.is_trained else "not trained yet"
    if model.is_trained and model.history:
        state = f"trained for {len(model.history['train_loss'])} epochs"
    if model.adata is None:
        return f"{state}; no cells beside it"
    return f"{state}; {model.adata.n_obs:,} cells x {model.adata.n_vars:,} genes"
