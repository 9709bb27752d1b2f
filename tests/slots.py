"""What each public function may write, as its docstring says, and what it has written."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict

import numpy as np
from finished_cells import ARGUMENTS, function
from helpers import fingerprints

IDENTIFIERS = {"uns/_scvi_uuid", "uns/_scvi_manager_uuid"}
"""Drawn anew each time that data are registered with scvi-tools."""

FROM_OPTIONS = {
    "pp.emulate_low_depth": {"X"},
    "pp.split_counts": {"layers/split_a", "layers/split_b"},
    "pp.thin_to_depth": {"X"},
    "tl.joint_embedding": IDENTIFIERS,
    "tl.tsne": {"obsm/X_joint_embedding_tsne", "uns/joint_embedding_tsne"},
    "tl.umap": {"obsm/X_joint_embedding_umap", "uns/joint_embedding_umap"},
    "model.JointEmbedding.setup_anndata": {"obs/_scvi_batch", "obs/_scvi_labels"} | IDENTIFIERS,
}
"""What docstrings name by options, or leave to scvi-tools."""

NOT_ALWAYS = {
    "obs/keep_ambient_share",
    "obs/label_transfer_typicality",
    "obs/max_ambient_share",
    "obsp/joint_embedding_refined_weights",
    "uns/label_transfer_colors",
}
"""What docstrings give a condition for."""

OF_DEPTH = {"obs/n_genes", "obs/low_umi", "uns/depth_metrics"}
MEASURED_AGAIN = {
    "pp.emulate_low_depth": OF_DEPTH,
    "pp.thin_to_depth": OF_DEPTH | {"obs/total_umi", "obs/log10_umi"},
}
"""What is written where it was there before."""

COLORS = {"uns/batch_colors", "uns/cell_type_colors"}
"""Written by plots where there are none."""


def documented(name):
    """Give the slots that a function always writes, and those that it may write."""
    public = name.partition(" ")[0]
    returns = inspect.getdoc(function(name)).partition("\nReturns\n---")[2].partition("\nRaises\n---")[0]
    found = {"/".join(match) for match in re.findall(r'\b(obs|obsm|obsp|uns|layers)\["(\w+)"\]', returns)}
    if public == "tl.map_query":
        always, sometimes = documented("tl.label_transfer")
        found = {slot.replace("joint_embedding", "mapped") for slot in found}
        return found | _renamed(always, "mapped_labels"), _renamed(sometimes, "mapped_labels")
    keys = {"label_transfer": ARGUMENTS[name].get("key_added", "label_transfer")}
    conditional = NOT_ALWAYS | MEASURED_AGAIN.get(public, set())
    always = (found - conditional) | FROM_OPTIONS.get(public, set())
    sometimes = (found & conditional) | (COLORS if public.startswith(("pl.", "report")) else set())
    return _renamed(always, **keys), _renamed(sometimes, **keys)


def _renamed(found, label_transfer):
    return {re.sub("(?<=/)label_transfer(?!_score)", label_transfer, slot) for slot in found}


def slots(adata):
    """Give, for every slot, what is no longer the same when it changes."""
    found = defaultdict(dict)
    for where, what in fingerprints(adata).items():
        slot, _, key = where.removeprefix("/").partition("/")
        key = re.sub(r"\.(data|indices|indptr|dtype|categories)$", "", key.partition("/")[0])
        if slot.startswith("X"):
            found["X"][where] = _content(what)
        elif key and (slot, key) != ("layers", "None"):  # anndata's other name of X
            found[f"{slot}/{key}"][where] = _content(what)
    return dict(found)


def _content(what):
    # a copy can be written to where pandas gave an array that cannot
    return (*what[:3], what[4]) if isinstance(what, tuple) and what[:1] == (np.ndarray,) else what


def changed(before, after):
    """Name the slots that differ between two sets of them."""
    return {slot for slot in before | after if before.get(slot) != after.get(slot)}
