"""The files of a model: a JSON document, which names the others and knows their checksums.

Replacing the document is the one step in which a save takes place. The other files have names that no
save used before, so that a save that stops, or that another one overtakes, harms nothing that is there.
"""

from __future__ import annotations

import errno
import io
import re
import secrets
from contextlib import suppress
from hashlib import file_digest
from typing import TYPE_CHECKING, Any

import anndata as ad

from lowdepth._cells_file import write_cells
from lowdepth._files import atomically, check_writable, flush, is_abandoned, remove

from ._document import COPY_AGAIN, sealed, to_content, to_parts, unsealed
from ._saved_model import SavedModel
from ._weights import weights_from_bytes, weights_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DATA_FILE = re.compile(r"weights-[0-9a-f]{8}\.pt|adata-[0-9a-f]{8}\.h5ad")


def document_path(folder: Path, prefix: str) -> Path:
    """Give the place of the document."""
    return folder / f"{prefix}model.json"


def write(folder: Path, prefix: str, saved: SavedModel, **dataset_kwargs: Any) -> None:
    """Write a model, whole or not at all; it takes the place of one that is there under the same prefix.

    Raises
    ------
    OSError
        There is no room, or no right to write.
    TypeError
        The model holds something that the format cannot keep.
    """
    content, weights = to_content(saved), weights_to_bytes(saved.weights)
    document, made = document_path(folder, prefix), not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_writable(document)
        token = secrets.token_hex(4)
        names = {"weights": f"weights-{token}.pt"} | ({} if saved.adata is None else {"adata": f"adata-{token}.h5ad"})
        paths = {role: folder / f"{prefix}{name}" for role, name in names.items()}
        superseded = [*_named_by(document), *_abandoned(folder, prefix)]
        try:
            paths["weights"].write_bytes(weights)
            if saved.adata is not None:
                write_cells(paths["adata"], saved.adata, **dataset_kwargs)
            for path in paths.values():
                flush(path)
            files = {role: {"name": name, "sha256": _sha256(paths[role])} for role, name in names.items()}
            with atomically(document) as partial:
                partial.write_bytes(sealed(content | {"files": files}))
        finally:
            # these or those: all but what the document names now
            for name in {*names.values(), *superseded} - _named_by(document):
                remove(folder / f"{prefix}{name}")
            if made:
                with suppress(OSError):  # it is kept if there is anything in it
                    folder.rmdir()
    except OSError as error:
        msg = f"the model could not be saved in {str(folder)!r}, where all is as it was: {error}"
        raise OSError(error.errno or errno.EIO, msg) from error


def read(folder: Path, prefix: str, *, with_adata: bool) -> SavedModel:
    """Read a model, and check all of it.

    Raises
    ------
    FileNotFoundError
        A file is missing.
    ValueError
        A file is damaged, was made by a later format, or holds what no model has.
    """
    document = document_path(folder, prefix)
    data = document.read_bytes()
    while True:
        try:
            return _read(folder, prefix, data, with_adata=with_adata)
        except FileNotFoundError:
            data, before = document.read_bytes(), data
            if data == before:
                raise
            # another process saved while we read: what it wrote is there


def _read(folder: Path, prefix: str, data: bytes, *, with_adata: bool) -> SavedModel:
    document = document_path(folder, prefix)
    content = unsealed(document, data)
    parts, (paths, checksums) = to_parts(document, content), _located(folder, prefix, content["files"])
    weights = paths["weights"].read_bytes()
    _check(paths["weights"], io.BytesIO(weights), checksums["weights"])
    adata = None
    if with_adata and "adata" in paths:
        with paths["adata"].open("rb") as cells:
            _check(paths["adata"], cells, checksums["adata"])
        adata = ad.read_h5ad(paths["adata"])
    return SavedModel(**parts, weights=weights_from_bytes(paths["weights"], weights), adata=adata)


def _located(folder: Path, prefix: str, files: Any) -> tuple[dict[str, Path], dict[str, str]]:
    """Give the path and the checksum of each file that a document names."""
    try:
        names = {role: file["name"] for role, file in files.items()}
        checksums = {role: file["sha256"] for role, file in files.items()}
        known = "weights" in names and all(DATA_FILE.fullmatch(name) for name in names.values())
    except (AttributeError, LookupError, TypeError):
        known = False
    if not known:
        msg = f"{str(document_path(folder, prefix))!r} names other files than a model has: {files}; {COPY_AGAIN}"
        raise ValueError(msg)
    paths = {role: folder / f"{prefix}{name}" for role, name in names.items()}
    for path in paths.values():
        if not path.exists():
            msg = f"{str(path)!r}, a part of the model, is missing; {COPY_AGAIN}"
            raise FileNotFoundError(msg)
    return paths, checksums


def _check(path: Path, file: Any, expected: str) -> None:
    found = file_digest(file, "sha256").hexdigest()
    if found != expected:
        msg = f"{str(path)!r} is damaged: its SHA-256 is {found}, expected {expected}; {COPY_AGAIN}"
        raise ValueError(msg)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _named_by(document: Path) -> set[str]:
    """Give the files that a document names; one that is damaged or of a later format names them too."""
    try:
        return set(DATA_FILE.findall(document.read_text("latin-1")))
    except FileNotFoundError:
        return set()


def _abandoned(folder: Path, prefix: str) -> Iterable[str]:
    for path in folder.iterdir():
        name = path.name.removeprefix(prefix)
        if prefix + name == path.name and DATA_FILE.fullmatch(name) and is_abandoned(path):
            yield name
