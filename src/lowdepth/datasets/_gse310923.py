"""The data of the method's tutorial, by download."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import pooch
import requests
from anndata import read_h5ad
from tqdm.auto import tqdm

from lowdepth._files import flush

if TYPE_CHECKING:
    from anndata import AnnData

_URL = "https://exampledata.scverse.org/scvi-tools/GSE310923_PBMC_clean.h5ad"


def gse310923_pbmc(cache_dir: str | Path | None = None, *, progress_bar: bool = True) -> AnnData:
    """Download the blood cells (PBMC) of GSE310923, the data of the method's tutorial.

    The file of about 400 MB is downloaded once and kept. A download that breaks is tried
    again twice, and leaves no half file when it breaks for good.

    Parameters
    ----------
    cache_dir
        Folder that keeps the file; ``None`` takes the user's cache folder for lowdepth.
    progress_bar
        Show the progress of the download.

    Returns
    -------
    51,277 cells by 32,338 genes, with 1,591 to 180,918 UMIs a cell, and

    ``layers["counts"]`` : raw UMI counts
    ``obs["cell_type"]`` : 18 types
    ``obs["Age"]``, ``obs["sample_id"]`` : age of the donor, and the sample, which is the batch

    Raises
    ------
    OSError
        The file cannot be downloaded, or the one that is kept cannot be read.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.gse310923_pbmc()  # doctest: +SKIP
    >>> adata.shape  # doctest: +SKIP
    (51277, 32338)
    """
    path = _download(_URL, cache_dir, progress_bar=progress_bar)
    try:
        return read_h5ad(path)
    except (OSError, KeyError, TypeError, ValueError) as error:
        msg = (
            f"{path} is not a readable h5ad file ({error}); delete it and call this function again to download it anew"
        )
        raise OSError(msg) from error


def _download(url: str, cache_dir: str | Path | None, *, progress_bar: bool) -> Path:
    """Give the place of the file, downloading it where it is not there yet."""
    base_url, _, name = url.rpartition("/")
    folder = Path(pooch.os_cache("lowdepth") if cache_dir is None else cache_dir)
    # pooch downloads to a temporary file, tries again, and moves the file to its place at the end
    files = pooch.create(folder, f"{base_url}/", registry={name: None}, retry_if_failed=2)
    try:
        return Path(files.fetch(name, downloader=partial(_to_complete_file, progress_bar=progress_bar)))
    except (OSError, ValueError) as error:
        msg = (
            f"{url} could not be downloaded to {folder / name} ({error}); "
            "check the network and call this function again, or put the file there by other means"
        )
        raise OSError(msg) from error


def _to_complete_file(url: str, part: str, _: object, *, progress_bar: bool) -> None:
    # unlike pooch's own downloader, this one closes connection and progress bar when it fails
    with requests.get(url, stream=True, timeout=30) as response, Path(part).open("wb") as file:
        response.raise_for_status()
        size = int(response.headers.get("Content-Length", 0)) or None
        with tqdm(total=size, unit="B", unit_scale=True, desc=Path(url).name, disable=not progress_bar) as progress:
            for chunk in response.iter_content(2**20):
                progress.update(file.write(chunk))
    try:
        h5py.File(part).close()
    except OSError as error:
        # a connection may close early without an error, but an HDF5 file knows where it ends
        msg = f"what came is not a complete HDF5 file: {error}"
        raise ValueError(msg) from error
    flush(Path(part))
