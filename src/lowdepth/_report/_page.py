"""The page: sections of what is there, rendered into one file."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

from lowdepth._docs import shared_docs
from lowdepth._files import atomically

from ._calibration import calibration_section
from ._caution import caution_section
from ._cutoff import cutoff_section
from ._depth import depth_section
from ._found import find
from ._methods import methods_section
from ._overlay import overlay_section
from ._recovery import recovery_section
from ._recovery_curve import recovery_curve_section
from ._rescue import rescue_section

if TYPE_CHECKING:
    from os import PathLike

    from anndata import AnnData

    from ._content import Section

SECTIONS = (
    depth_section,
    overlay_section,
    recovery_curve_section,
    recovery_section,
    calibration_section,
    rescue_section,
    cutoff_section,
    caution_section,
)


@shared_docs
def report(
    adata: AnnData,
    path: str | PathLike[str],
    *,
    title: str = "Cells with few UMIs",
    use_rep: str = "X_joint_embedding",
    transfer: str = "label_transfer",
    basis: str | None = None,
    sample_key: str | None = None,
    low_umi: float | None = None,
) -> Path:
    """Write one HTML page of what was done and what came of it.

    The page is a single file: it opens from disk without any network, prints, and can be read
    by a screen reader and in the dark. Each section is there when the steps before have left what
    it shows: depths, shallow cells in the embedding, recovery, calibration, rescued cells by
    type and sample, the recommended cutoff, what to keep in mind, and a methods paragraph with parameters, seeds and
    versions. The counts are not read, and ``adata`` stays as it is.

    Parameters
    ----------
    {adata}
    path
        File to write. It is replaced when the page is complete, and not before.
    title
        Heading of the page.
    use_rep
        Key in ``obsm`` that :func:`lowdepth.tl.joint_embedding` wrote.
    transfer
        Name that :func:`lowdepth.tl.label_transfer` wrote under.
    basis
        Key in ``obsm`` of the two-dimensional layout to show; ``None`` takes the t-SNE or UMAP of
        ``use_rep``, the refined one first, or else ``"X_umap"`` or ``"X_tsne"``.
    sample_key
        Column of ``obs`` that holds the sample of each cell; ``None`` takes the batches of the embedding.
    low_umi
        Cells with fewer UMIs than this are shallow; ``None`` takes the recorded one, or 1,000.

    Returns
    -------
    The path of the page.

    Raises
    ------
    FileNotFoundError
        There is no such folder. Other errors of the file system are raised as they are.
    KeyError
        There is no such ``basis`` or ``sample_key``.
    ValueError
        The depths are not finite, or the layout is not two-dimensional.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> ld.pp.depth_metrics(adata, low_umi=500)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = ld.report(adata, Path(folder) / "report.html").read_text()
    >>> page.startswith("<!doctype html>")
    True
    """
    found = find(adata, use_rep=use_rep, transfer=transfer, basis=basis, sample_key=sample_key, low_umi=low_umi)
    with atomically(Path(path)) as partial:
        sections = [section for make in SECTIONS if (section := make(found)) is not None]
        page = _render(title, sections, methods_section(found))
        partial.write_text(page, encoding="utf-8")
    return Path(path)


def _render(title: str, sections: list[Section], methods: Section) -> str:
    folder = files(__package__)
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return template.from_string((folder / "page.html.jinja").read_text(encoding="utf-8")).render(
        title=title,
        sections=[*sections, methods],
        methods=methods,
        style=(folder / "page.css").read_text(encoding="utf-8"),
        version=version("lowdepth"),
        date=datetime.now(UTC).date().isoformat(),
    )
