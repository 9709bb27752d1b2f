"""The command ``lowdepth rescue`` on a few cells."""

from __future__ import annotations

from lowdepth.__main__ import main

SETTINGS = {"batch_key": "batch", "low_umi": 500, "max_epochs": 2, "batch_size": 64}
OPTIONS = [word for name, value in SETTINGS.items() for word in (f"--{name.replace('_', '-')}", str(value))]
OPTIONS += ["--label-key", "cell_type", "--accelerator", "cpu", "--no-progress"]


def rescue(*words):
    return main(["rescue", *map(str, words)])
