"""What benchmarks on real cells share: their options, and where finished runs are kept."""

from __future__ import annotations

import argparse
import json
from hashlib import sha256
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


SHARED = ("label_key", "batch_key", "low_umi", "epochs")


def kept_run(run: str, seed: int, options: argparse.Namespace, *own: str, suffix: str = ".json") -> Path:
    """Give the file that keeps a run, and make its folder.

    Another value of a shared option, or of those of the command's ``own`` that the run depends on, is another file.
    """
    values = {name: getattr(options, name) for name in (*SHARED, *own)}
    digest = sha256(json.dumps(values).encode()).hexdigest()[:8]
    options.runs.mkdir(parents=True, exist_ok=True)
    return options.runs / f"{run}-{options.data.stem}-{options.epochs}-{digest}-seed{seed}{suffix}"
