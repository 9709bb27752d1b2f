"""The options that benchmarks on real cells share: which cells, what their columns are called, how long, how often."""

from __future__ import annotations

import argparse
from pathlib import Path


def parser_for(
    doc: str | None, *, required: tuple[str, ...] = ("data",), epochs: int = 25, seeds: int = 5
) -> argparse.ArgumentParser:
    """Make the parser of a command whose module has the docstring; its own options are added by the command."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required="data" in required, help="h5ad of raw counts")
    parser.add_argument("--label-key", default="cell_type")
    parser.add_argument("--batch-key", required="batch_key" in required)
    parser.add_argument("--low-umi", type=float, default=1000)
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--seeds", type=int, default=seeds)
    return parser
