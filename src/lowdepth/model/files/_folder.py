"""A folder with a model in it, ours or scvi-tools' own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ._model_files import document_path, read
from ._scvi_files import pickle_path, read_trusted

if TYPE_CHECKING:
    import os

    from ._saved_model import SavedModel


def read_folder(
    cls: type, dir_path: str | os.PathLike[str], prefix: str | None, *, with_adata: bool, trusted: bool
) -> SavedModel:
    """Read what was saved of a model of this class.

    Raises
    ------
    FileNotFoundError
        There is no model, or a part of it is missing.
    ValueError
        It is damaged, of a later format or of another class; or a pickle, and not ``trusted``.
    """
    folder, start = Path(dir_path), prefix or ""
    document, pickle = document_path(folder, start), pickle_path(folder, start)
    if document.exists():
        saved = read(folder, start, with_adata=with_adata)
        if saved.class_name != cls.__name__:
            msg = f"{str(document)!r} is a {saved.class_name}, expected a {cls.__name__}; load it with its own class"
            raise ValueError(msg)
        return saved
    if not pickle.exists():
        msg = f"there is no model {str(document)!r}; name a folder and a prefix that `model.save` was given"
        raise FileNotFoundError(msg)
    if not trusted:
        msg = (
            f"{str(pickle)!r} is a pickle, as scvi-tools saves models: loading it can run any code that is in it. "
            f"If you trust whoever made it, load it with `{cls.__name__}.load(dir_path, trusted=True)`, "
            "and save it again to be rid of the pickle"
        )
        raise ValueError(msg)
    return read_trusted(folder, start, cls.__name__, with_adata=with_adata)
