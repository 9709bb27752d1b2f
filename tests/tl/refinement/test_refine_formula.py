"""The refinement against its formula, cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
import scvi
import torch
from refined_cells import ENTROPY, LOW_UMI, N_REFERENCES, refine, train
from scipy.special import softmax

import lowdepth as ld
from lowdepth.tl._cells._model_cells import ModelCells
from lowdepth.tl._refinement._residuals import pool


def expected_weights(adata, model, *, likelihood="multinomial", covariates=("batch",), n_neighbors=2, ratio=1.0):
    """Do it cell by cell, with scvi-tools' decoder and distributions in float64, and neighbours by sorting.

    ``ratio``, references by genes, stands for the residuals.
    """
    counts = torch.from_numpy(adata.X.toarray()).double()
    deep = counts.sum(1).numpy() >= LOW_UMI
    latent = torch.from_numpy(model.get_latent_representation()[deep])
    distance = torch.cdist(latent.double(), latent.double())
    neighborhoods = distance.argsort(dim=1)[:, : n_neighbors + 1].numpy()
    codes = {name: adata.obs[name].cat.codes.to_numpy() for name in covariates}
    weights = np.zeros((adata.n_obs, adata.n_obs))
    for cell in np.flatnonzero(~deep):
        group = ~deep
        for code in codes.values():
            group &= code == code[cell]
        rows = {name: torch.full((len(latent), 1), int(code[cell])) for name, code in codes.items()}
        stress = torch.full((len(latent), 1), adata.obs["stress"].to_numpy()[group].mean(), dtype=torch.float32)
        with torch.no_grad():
            decoded = model.module.generative(
                latent,
                library=counts[cell].sum().log().float().expand(len(latent), 1),
                batch_index=rows["batch"],
                cat_covs=rows.get("donor"),
                cont_covs=stress if "donor" in rows else None,
                y=torch.zeros(len(latent), 1),
            )["px"]
        share = decoded.get_normalized("scale").double() * ratio
        share /= share.sum(1, keepdim=True)
        if likelihood == "nb":
            mean = share * counts[cell].sum()
            brute_force = scvi.distributions.NegativeBinomial(mu=mean, theta=decoded.theta.double())
            score = brute_force.log_prob(counts[cell]).sum(1)
        else:
            score = (counts[cell] * share.log()).sum(1)
        weights[cell, deep] = softmax(score.numpy()[neighborhoods].mean(1))
    return weights


def check(adata, model, weights, **options):
    observed = refine(adata, model, store_weights=True, **{"residuals": False, **options})
    latent = model.get_latent_representation()
    shallow = weights.any(axis=1)
    np.testing.assert_array_equal(observed[~shallow], latent[~shallow])
    np.testing.assert_allclose(observed[shallow], (weights @ latent)[shallow], atol=1e-3)
    stored = adata.obsp["joint_embedding_refined_weights"]
    np.testing.assert_allclose(stored.toarray(), weights, atol=1e-3)
    np.testing.assert_allclose(adata.obs[N_REFERENCES][shallow], 1 / (weights[shallow] ** 2).sum(1), rtol=1e-2)
    plogp = np.where(weights > 0, weights * np.log(np.where(weights > 0, weights, 1)), 0)
    np.testing.assert_allclose(adata.obs[ENTROPY][shallow], -plogp.sum(1)[shallow], atol=1e-2)
    assert adata.obs.loc[~shallow, [N_REFERENCES, ENTROPY]].isna().all(axis=None)


@pytest.mark.parametrize("gene_likelihood", ["nb", "zinb", "poisson"])
def test_multinomial_equals_brute_force(adata, gene_likelihood):
    model = train(adata, gene_likelihood=gene_likelihood)
    check(adata, model, expected_weights(adata, model))


@pytest.mark.parametrize("n_neighbors", [0, 1, 7])
def test_references_speak_with_so_many_neighbours(adata, model, n_neighbors):
    weights = expected_weights(adata, model, n_neighbors=n_neighbors)
    check(adata, model, weights, n_neighbors=n_neighbors)
    assert adata.uns["joint_embedding_refined"]["params"]["n_neighbors"] == n_neighbors


@pytest.mark.parametrize(
    "options", [{"gene_likelihood": "zinb"}, {"gene_likelihood": "nb", "dispersion": "gene-batch"}]
)
def test_negative_binomial_equals_brute_force(adata, options):
    model = train(adata, **options)
    check(adata, model, expected_weights(adata, model, likelihood="nb"), likelihood="nb")


def test_decoding_is_under_the_cells_own_batch_and_covariates(adata):
    setup = {
        "batch_key": "batch",
        "categorical_covariate_keys": ["donor"],
        "continuous_covariate_keys": ["stress"],
    }
    model = train(adata, setup=setup, gene_likelihood="nb")
    check(adata, model, expected_weights(adata, model, covariates=("batch", "donor")))


@pytest.mark.parametrize("likelihood", ["multinomial", "nb"])
def test_profiles_are_multiplied_with_the_residuals(adata, model, likelihood):
    cells = ModelCells.of(adata, model, None)
    deep = np.flatnonzero(cells.total_umi >= LOW_UMI)
    pools = pool(cells, model, deep, model.get_latent_representation()[deep], seed=0)
    ratio = pools.residuals().multiplied(torch.ones(len(deep), adata.n_vars), 0).double()
    assert not torch.allclose(ratio, torch.ones(()).double(), atol=0.01)
    weights = expected_weights(adata, model, likelihood=likelihood, ratio=ratio)
    check(adata, model, weights, likelihood=likelihood, residuals=True)


@pytest.mark.parametrize("preset", ["paper", "scvi"])
def test_joint_embedding(adata, preset):
    model = ld.tl.joint_embedding(
        adata, preset=preset, batch_key="batch", n_latent=4, max_epochs=1, low_umi=LOW_UMI, progress_bar=False
    )
    check(adata, model, expected_weights(adata, model))
