"""What comes of each breakage: for everybody who reads what is broken, an error or what happens instead."""

from __future__ import annotations

from typing import NamedTuple

from finished_cells import ARGUMENTS, WITH_MODEL


class Refused(NamedTuple):
    """An error, and a pattern that its message matches."""

    error: type[Exception]
    message: str


class Accepted(NamedTuple):
    """It works, with a warning that matches the pattern if there is one, or at least with no other warning."""

    warning: str | None = None
    always: bool = True


SETUP = "model.JointEmbedding.setup_anndata"
GROUPS = {
    "pp": {name for name in ARGUMENTS if name.startswith("pp.")},
    "pl": {name for name in ARGUMENTS if name.startswith("pl.")},
    "with a model": WITH_MODEL,
    "to train": {"tl.joint_embedding", SETUP},
    "in memory only": {"tl.compare", "tl.thinning_stability", SETUP},
    "all": set(ARGUMENTS),
}


def refused(message, error=ValueError):
    """Say that all who read it refuse it."""
    return {"all": Refused(error, message)}


def accepted():
    """Say that all who read it accept it."""
    return {"all": Accepted()}


MAKING_A_COPY = "Received a view of an AnnData. Making a copy"
NOT_RAW = r"is it normalised or log-transformed\? .*`layer='counts'`"
DTYPE = r"adata\.X has dtype {}; .* convert them with `astype`"
NO_COLUMN = r"there is no (label )?column '{}' in adata\.obs \(present: .*did you mean '{}'"
OTHER_GENES = r"adata has not the genes that `model` was trained on: {}.*model\.get_var_names"
FEW_GENES = r"adata has {} of the 40 genes that `model` was trained on, less than `min_shared=0\.5`"
NO_DEEP = r"no (usable )?deep cell .*`low_umi={}`"
NO_SHALLOW = r"no (usable )?shallow cell .*`low_umi={}`"
OUT_OF_RANGE = r"`low_umi={}`: it has to be a finite number of at least [01]"
SHAPE = r"adata\.obsm\['X_joint_embedding'\] has shape {}"
LEFT_OUT = r"adata\.obsm\['X_joint_embedding'\] is not finite in 4 cells \(cell 0, cell 1, cell 2, …\)"
MEASURE_AGAIN = r"adata\.obs\['(total|log10)_umi'\] holds {}, no depth; measure it again"
NO_BATCH = r"adata\.obs\['batch'\] is missing for \d cells"
NOT_IN_MEMORY = r"backed by a file; read it with `adata\.to_memory\(\)`"
DASK = r"takes no dask array: load the cells, or a sample of them, with `adata\.to_memory\(\)`"
NO_FILE = "the counts are a dask array, and no file is known beside which they could be shuffled"
NAMES_TWICE = Accepted("(Observation|Variable) names are not unique", always=False)  # anndata says so when it copies

OUTCOMES = {
    # counts
    "negative": refused(r"adata\.X holds the negative value -2\.0; is it scaled\? .*`layer='counts'`"),
    "NaN": refused(r"adata\.X holds nan; counts are finite; find the step that made it"),
    "infinite": refused(r"adata\.X holds inf; counts are finite"),
    "minus infinity": refused(r"adata\.X holds -inf; counts are finite"),
    "fractional": refused(rf"adata\.X holds 2\.5, which is not a whole number; {NOT_RAW}"),
    "log-normalised": refused(rf"adata\.X holds \d\.\d+, which is not a whole number; {NOT_RAW}"),
    "complex": refused(DTYPE.format("complex64")),
    "half precision": refused(DTYPE.format("float16")),
    "objects": refused(DTYPE.format("object")),
    "other byte order": refused(DTYPE.format(">i4")),
    "no X": refused(r"adata\.X is empty; put the raw counts there, or name the layer .* `layer=`"),
    "no cells": refused(r"adata\.X has shape \(0, 40\): there is nothing to work on|all 0 values are missing"),
    "no genes": {
        "tl.map_query": Refused(ValueError, FEW_GENES.format(0)),
        "tl.thinning_stability": Refused(ValueError, r"adata\.X has shape \(60, 0\): there is nothing to work on"),
        "with a model": Refused(ValueError, OTHER_GENES.format("40 of 40 are missing")),
        "all": Refused(ValueError, r"adata\.X has shape \(60, 0\): there is nothing to work on"),
    },
    "one cell": {
        "tl.map_query": Accepted(),
        "tl.recommend_cutoff": Accepted("There are no cells at or above `low_umi=200` with a type"),
        "tl.recovery_curve": Refused(ValueError, "0 cells at or above `low_umi=200` have a label: too few"),
        "tl.bias_point": Refused(ValueError, "no cell has `low_umi=200` UMIs: the deepest has 131; lower"),
        "tl.thinning_stability": Refused(ValueError, "there is 1 cell: its noise is compared with the variance"),
        "with a model": Refused(ValueError, NO_DEEP.format(200)),
        "tl.joint_embedding": Refused(ValueError, "there is 1 cell: an embedding is learnt from many"),
        "tl.compare": Refused(ValueError, "there are 1 cells of 40 genes: methods are compared on many of both"),
        SETUP: Accepted("fewer than 3 cells"),
        "pp": Accepted(),
    },
    "one gene": {
        "tl.map_query": Refused(ValueError, FEW_GENES.format(1)),
        "with a model": Refused(ValueError, OTHER_GENES.format("39 of 40 are missing")),
        "tl.compare": Refused(ValueError, "there are 60 cells of 1 genes: methods are compared on many of both"),
        "to train": Refused(ValueError, r"\d+ cells hold no UMI; drop them with `ld\.pp\.filter_low_umi"),
        "pp": Accepted(),
    },
    "cell without UMIs": {
        "tl.map_query": Refused(ValueError, "1 cells hold no UMI in the genes of `model`: drop them"),
        "with a model": Refused(ValueError, r"1 cells hold no UMI; drop them with `ld\.pp\.filter_low_umi"),
        "to train": Refused(ValueError, r"1 cells hold no UMI; drop them with `ld\.pp\.filter_low_umi"),
        "tl.compare": Accepted(),  # thinning loses cells anyway, and drops them
        "pp": Accepted(),
    },
    "no such layer": refused(
        r"there is no layer 'count' in adata\.layers \(present: 'counts'\); did you mean 'counts'\?", KeyError
    ),
    "negative in a sparse layer": refused(r"adata\.layers\['counts'\] holds the negative value -2\.0"),
    "NaN in a sparse layer": refused(r"adata\.layers\['counts'\] holds nan"),
    "fractional in a sparse layer": refused(rf"adata\.layers\['counts'\] holds 2\.5.*{NOT_RAW}"),
    "dask": {
        "tl.joint_embedding": Refused(NotImplementedError, NO_FILE),
        "in memory only": Refused(NotImplementedError, DASK),
        "all": Accepted(),
    },
    "bad dask block": {
        "tl.joint_embedding": Refused(NotImplementedError, NO_FILE),
        "in memory only": Refused(NotImplementedError, DASK),
        "all": Refused(ValueError, rf"adata\.X holds 0\.5.*{NOT_RAW}"),
    },
    "sparse array": {
        "to train": Refused(TypeError, r"does not take a csr_array; convert the counts with `scipy\.sparse"),
        "all": Accepted(),
    },
    "backed": refused(NOT_IN_MEMORY, NotImplementedError),
    "view": {SETUP: Refused(ValueError, r"`adata = adata\.copy\(\)`"), "all": Accepted(MAKING_A_COPY)},
    "duplicate cell names": {"all": NAMES_TWICE},
    "duplicate gene names": {
        "tl.map_query": Refused(ValueError, r"names the gene 'same' twice; .*`adata\.var_names_make_unique\(\)`"),
        "with a model": Refused(ValueError, OTHER_GENES.format(".* are missing")),
        "all": NAMES_TWICE,
    },
    # depths
    "no depths": refused(r"_umi'\] is missing; run `ld\.pp\.depth_metrics\(adata\)` on the raw counts first", KeyError),
    "depth NaN": refused(MEASURE_AGAIN.format("nan")),
    "depth infinite": refused(MEASURE_AGAIN.format("inf")),
    "depth negative": refused(MEASURE_AGAIN.format(r"-9\.0")),
    "depth text": refused(r"_umi'\] holds something that is not a number: .*'deep'"),
    # labels
    "no such column": refused(NO_COLUMN.format("cell_typ", "cell_type"), KeyError),
    "no label at all": {
        "tl.map_query": Accepted(),  # the labels are those of the reference
        "pl.embedding": Refused(ValueError, r"adata\.obs\['cell_type'\] holds no finite number"),
        "all": Refused(ValueError, r"adata\.obs\['cell_type'\] holds no label: all 60 values are missing"),
    },
    "some labels missing": accepted(),
    "one label": {
        "tl.recommend_cutoff": Accepted("All 32 cells at or above `low_umi=200` are of one type"),
        "all": Accepted(),
    },
    "a label in shallow cells only": {
        "tl.label_transfer_score": Accepted("No deep cell is labelled own: its shallow cells count as missed"),
        "all": Accepted(),
    },
    "labels are numbers": accepted(),
    "labels of two kinds": accepted(),
    "labels are booleans": accepted(),
    "labels are strings": accepted(),
    # batches
    "no such batch column": refused(NO_COLUMN.format("batsh", "batch"), KeyError),
    "batch missing": {
        "tl.label_transfer_score": Accepted(),  # such cells are in no batch's score
        "report": Accepted(),
        "all": Refused(ValueError, NO_BATCH),
    },
    "no batch at all": {
        "report": Accepted(),
        "all": Refused(ValueError, r"adata\.obs\['batch'\] (holds no label: all 60 values are|is) missing"),
    },
    "batch of one cell": {"to train": Accepted("fewer than 3 cells"), "all": Accepted()},
    # representations
    "no such representation": refused(r"there is no representation 'X_joint_embedding' in adata\.obsm", KeyError),
    "latent NaN": {"pl": Accepted(), "report": Accepted(), "all": Accepted(LEFT_OUT)},
    "latent infinite": {"pl": Accepted(), "report": Accepted(), "all": Accepted(LEFT_OUT)},
    "latent NaN everywhere": refused(r"\['X_joint_embedding'\] gives no cell finite values; compute it again"),
    "latent without dimensions": refused(SHAPE.format(r"\(60, 0\)")),
    "latent sparse": refused(r"is a csr_matrix; make it dense with `\.toarray\(\)`", TypeError),
    "latent data frame": accepted(),
    "latent text": refused(r"\['X_joint_embedding'\] has dtype object; a representation holds real numbers"),
    "latent of three dimensions": {
        "pl": Refused(ValueError, SHAPE.format(r"\(60, 3\)") + r"; a panel shows two dimensions.*`ld\.tl\.tsne"),
        "report": Refused(ValueError, SHAPE.format(r"\(60, 3\)")),
        "all": Accepted(),
    },
    "latent in a block": refused(SHAPE.format(r"\(60, 2, 2\)") + "; a representation has one row per cell"),
    "latent integers": accepted(),
    "latent constant": accepted(),
    # cutoffs
    "cutoff NaN": refused(OUT_OF_RANGE.format("nan")),
    "cutoff negative": refused(OUT_OF_RANGE.format("-1")),
    "cutoff infinite": refused(OUT_OF_RANGE.format("inf")),
    "cutoff above all cells": {
        "tl.refine_low_umi": Refused(ValueError, NO_DEEP.format(10**6)),
        "tl.label_transfer": Refused(ValueError, NO_DEEP.format(10**6)),
        "tl.label_transfer by votes": Refused(ValueError, NO_DEEP.format(10**6)),
        "tl.label_transfer_score": Refused(ValueError, NO_DEEP.format(10**6)),
        "tl.compare": Refused(ValueError, NO_DEEP.format(10**6)),
        "tl.recovery_curve": Refused(ValueError, "0 cells at or above `low_umi=1000000` have a label: too few"),
        "tl.recommend_cutoff": Refused(ValueError, "score it with `low_umi=200`, or transfer again"),
        "tl.bias_point": Refused(ValueError, "no cell has `low_umi=1000000` UMIs: the deepest has 732"),
        "tl.joint_embedding": Accepted("No cell has 1000000 UMIs or more: the method learns from deep cells"),
        "all": Accepted(),
    },
    "cutoff below all cells": {
        "tl.refine_low_umi": Refused(ValueError, NO_SHALLOW.format(1)),
        "tl.label_transfer": Refused(ValueError, NO_SHALLOW.format(1)),
        "tl.label_transfer by votes": Refused(ValueError, NO_SHALLOW.format(1)),
        "tl.label_transfer_score": Refused(ValueError, NO_SHALLOW.format(1)),
        "tl.compare": Refused(ValueError, NO_SHALLOW.format(1)),
        "tl.recovery_curve": Refused(ValueError, r"`depths` holds 20\.0: .*not above `low_umi=1`"),
        "tl.recommend_cutoff": Refused(ValueError, r"`depths` holds 20\.0: .*not above `low_umi=1`"),
        "pl.low_umi_overlay": Refused(ValueError, "no cell has fewer UMIs than `low_umi=1`: the shallowest has 52"),
        "all": Accepted(),
    },
    # records of earlier steps
    "no record": refused(r"adata\.uns\['\w+'\] (is missing|has no 'categories').*run `ld\.tl\.", KeyError),
    "record of another step": refused(
        r"(adata\.uns\['\w+'\] (holds|has) no '\w+'|adata\.obsm\['\w+'\] is missing).*run `ld\.tl\.", KeyError
    ),
    "record is a text": refused(r"adata\.uns\['\w+'\] (holds|has) no '\w+'.*run `ld\.tl\.", KeyError),
    # models
    "not a model": refused("`model` is a object; expected a model with scVI's decoder", TypeError),
    "untrained model": refused(r"`model` has not been trained; call `model\.train\(\)` first"),
    "model without data": refused("`model` has been loaded without data; load it with `adata=`"),
    "minified model": refused("`model` holds minified data .*; load it with the full data", NotImplementedError),
    "diverged model": refused("`model` has weights that are not finite: its training diverged; train it again"),
    "other genes": {
        "tl.map_query": Refused(ValueError, FEW_GENES.format(0)),
        "all": Refused(ValueError, OTHER_GENES.format("40 of 40 are missing")),
    },
    "genes in another order": {
        "tl.map_query": Accepted(),
        "all": Refused(ValueError, OTHER_GENES.format("they are in another order: gene 0")),
    },
    "no batch column of the model": {
        "tl.recommend_cutoff": Refused(KeyError, "there is no label column 'batch' in adata.obs"),
        "all": Refused(KeyError, r"adata\.obs\['batch'\] is missing, (a|the) column"),
    },
    "new batch": {
        "tl.map_query": Accepted("it takes 'b7' for 'b.' where it decodes; teach it these with `surgery=True`"),
        "all": Refused(ValueError, r"\['batch'\] holds 'b7', and `model` knows b0, b1 only; `ld\.tl\.map_query`"),
    },
    "model's batch missing": refused(NO_BATCH),
}


def outcome(breakage, name):
    """Find the row of a breakage that holds for a function, the one that names it before those of its groups."""
    rows = OUTCOMES.get(breakage, {})
    for who in (name, *(group for group, members in GROUPS.items() if name in members)):
        if who in rows:
            return rows[who]
    return None
