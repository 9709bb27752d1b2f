"""The JSON file of a model: all that is kept but weights and cells, with a checksum of its own."""

from __future__ import annotations

import json
from dataclasses import fields
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ._saved_model import ATTRIBUTES, SavedModel
from ._typed_json import from_json, to_json

if TYPE_CHECKING:
    from pathlib import Path

FORMAT, VERSION = "lowdepth model", 1

PARTS = tuple(field.name for field in fields(SavedModel) if field.name not in {"weights", "adata"})
KINDS = {"preset": str, "settings": dict, "registry": dict, "gene_names": list, "trained": bool, "attributes": dict}
KEYS = {"format", "format_version", "sha256", "versions", "files", *PARTS}

COPY_AGAIN = "copy the model's whole folder again, or take it from a backup"
"""The next step in messages about damaged files."""


def to_content(saved: SavedModel) -> dict[str, Any]:
    """Turn a model without its weights and cells into what JSON has.

    Raises
    ------
    TypeError
        It holds something that the format cannot keep.
    """
    return {
        "format": FORMAT,
        "format_version": VERSION,
        "versions": {name: version(name) for name in ("lowdepth", "scvi-tools", "torch")},
        **{part: to_json(getattr(saved, part), f"the model's {part}") for part in PARTS},
    }


def to_parts(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Turn what :func:`unsealed` gave into the parts of a model.

    Raises
    ------
    ValueError
        The parts are not those of a model.
    """
    try:
        parts = {part: from_json(content[part]) for part in PARTS}
        registry = parts["registry"]
        is_model = (
            all(isinstance(parts[part], kind) for part, kind in KINDS.items())
            and all(isinstance(name, str) for name in parts["gene_names"])
            and parts["attributes"].keys() == {*ATTRIBUTES}
            and {"model_name", "setup_args", "field_registries"} <= registry.keys()
            # scvi-tools itself calls the method of this name when a loaded model is given cells
            and registry.get("setup_method_name", "setup_anndata") in {"setup_anndata", "setup_datamodule"}
        )
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        msg = f"{str(path)!r} holds what no lowdepth model has ({error!r}); load a file that `model.save` wrote"
        raise ValueError(msg) from error
    if not is_model:
        msg = f"{str(path)!r} holds what no lowdepth model has; load a file that `model.save` wrote"
        raise ValueError(msg)
    return parts


def sealed(content: dict[str, Any]) -> bytes:
    """Give the file's bytes: the content with its checksum, a line for each key."""
    items = {"sha256": _checksum(content), **content}
    lines = (f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in items.items())
    # no line break at the end: it could be cut off and not be missed
    return ("{\n" + ",\n".join(lines) + "\n}").encode("ascii")


def unsealed(path: Path, data: bytes) -> dict[str, Any]:
    """Give the content of the file's bytes.

    Raises
    ------
    ValueError
        They are damaged, of a later format version, or of something else.
    """
    try:
        content = json.loads(data)
        is_ours = content["format"] == FORMAT
        format_version, checksum = content["format_version"], content.pop("sha256")
        is_whole = checksum == _checksum(content)
    except (LookupError, RecursionError, TypeError, ValueError) as error:
        msg = f"{str(path)!r} is damaged, or no JSON that `model.save` wrote ({error!r}); {COPY_AGAIN}"
        raise ValueError(msg) from error
    if not is_ours:
        msg = f"{str(path)!r} is of format {content['format']!r}, expected {FORMAT!r}; name the folder of a saved model"
        raise ValueError(msg)
    if format_version != VERSION:
        msg = (
            f"{str(path)!r} is of format version {format_version!r}, and lowdepth {version('lowdepth')} reads version "
            f"{VERSION}; update lowdepth (the file's versions: {content.get('versions')})"
        )
        raise ValueError(msg)
    if not is_whole:
        msg = f"{str(path)!r} is damaged: its content does not have the SHA-256 that it states; {COPY_AGAIN}"
        raise ValueError(msg)
    if (difference := KEYS ^ {"sha256", *content}) != set():
        state = "unknown" if difference & {*content} else "missing"
        msg = f"{str(path)!r} has {state} keys {sorted(difference)}; load a file that `model.save` wrote"
        raise ValueError(msg)
    return content


def _checksum(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256(canonical.encode("ascii")).hexdigest()
