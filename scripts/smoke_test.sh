#!/usr/bin/env bash
# Build the wheel and the sdist, and use each alone in a fresh environment: bash scripts/smoke_test.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

uv build --quiet --out-dir "$folder/dist"
uvx --quiet twine check --strict "$folder"/dist/*.whl "$folder"/dist/*.tar.gz
for package in "$folder"/dist/*.whl "$folder"/dist/*.tar.gz; do
    uv venv --quiet --clear --no-project "$folder/alone"
    uv pip install --quiet --python "$folder/alone" "$package"
    # outside of the repository, so that nothing but the package can be imported
    (cd "$folder" && alone/bin/python -W error::ImportWarning - && alone/bin/lowdepth --version) <<'PYTHON'
from importlib.resources import files

import lowdepth as ld

adata = ld.datasets.pbmc3k()[:300].copy()
ld.pp.depth_metrics(adata)
ld.tl.joint_embedding(adata, max_epochs=1, low_umi=2000, refine=True, accelerator="cpu", progress_bar=False)
ld.tl.tsne(adata, use_rep="X_joint_embedding_refined")
ld.pl.low_umi_overlay(adata, "X_joint_embedding_refined_tsne", color="cell_type", low_umi=2000)
page = ld.report(adata, "page.html")
assert (files("lowdepth") / "py.typed").is_file()
print(f"{adata.n_obs} cells embedded; {page.stat().st_size:,} bytes of report")
PYTHON
done
