"""Set up before any test: figures are drawn without a screen."""

from __future__ import annotations

import os

os.environ["MPLBACKEND"] = "Agg"
