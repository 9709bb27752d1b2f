"""Files that are damaged, foreign or malicious are refused by name, and nothing has happened."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import scvi
import torch
from helpers import assert_unchanged
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from saved_models import assert_same_model, cells, load, model_of, same_weights, weights

import lowdepth as ld
from lowdepth.model.files._document import sealed, unsealed

FILES = ["model.json", "weights", "adata"]


@pytest.fixture(scope="module")
def model():
    return model_of(cells(), covariates=True)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model"
    model.save(path, save_anndata=True)
    return path


@pytest.fixture
def folder(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.fixture(scope="module")
def scratch(saved, tmp_path_factory):
    """Give a folder that a property test damages again and again."""
    return Path(shutil.copytree(saved, tmp_path_factory.mktemp("scratch") / "model"))


def part(folder, role):
    (path,) = folder.glob(f"{role}*")
    return path


def assert_refused(folder, match, error=ValueError, adata=None, **options):
    adata = cells() if adata is None else adata
    with assert_unchanged(adata), pytest.raises(error, match=match):
        load(folder, adata, **options)


def edit(folder, change):
    """Change what the document says, and give it the checksum of what it says now, as an attacker would."""
    path = folder / "model.json"
    content = unsealed(path, path.read_bytes())
    change(content)
    path.write_bytes(sealed(content))


def damage(scratch, saved, role, change):
    whole = part(saved, role).read_bytes()
    damaged = change(whole)
    assume(damaged != whole)
    part(scratch, role).write_bytes(damaged)
    try:
        with pytest.raises(ValueError, match=rf"{part(saved, role).name}' is") as refusal:
            load(scratch, None if role == "adata" else cells())
        assert "copy the model's whole folder again" in str(refusal.value) or "is of format" in str(refusal.value)
    finally:
        part(scratch, role).write_bytes(whole)


@pytest.mark.parametrize("role", FILES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True))
def test_truncated(scratch, saved, role, where):
    damage(scratch, saved, role, lambda whole: whole[: int(where * len(whole))])


@pytest.mark.parametrize("role", FILES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_bit_flipped(scratch, saved, role, where, bit):
    def flip(whole):
        position = int(where * len(whole))
        return whole[:position] + bytes([whole[position] ^ 1 << bit]) + whole[position + 1 :]

    damage(scratch, saved, role, flip)


def test_every_bit_of_the_document(saved):
    path = saved / "model.json"
    whole = path.read_bytes()
    expected = unsealed(path, whole)
    for position in range(0, len(whole), 7):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            try:
                assert unsealed(path, bytes(damaged)) == expected
            except ValueError as error:
                assert str(path) in str(error)  # noqa: PT017  most are refused, and white space may vary


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_document_with_anything_in_it_runs_nothing_and_changes_no_cells(scratch, saved, data):
    content = unsealed(saved / "model.json", (saved / "model.json").read_bytes())
    node = content
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = data.draw(
        st.none() | st.booleans() | st.integers(-2, 99) | st.text(max_size=3) | st.just([]) | st.just({})
    )
    (scratch / "model.json").write_bytes(sealed(content))
    adata = cells()
    with assert_unchanged(adata):
        try:
            load(scratch, adata)
        except (LookupError, OSError, TypeError, ValueError):
            return
        finally:
            shutil.copy(saved / "model.json", scratch)
        for name in [name for name in adata.obs if name.startswith("_scvi")]:
            del adata.obs[name]
        for slot in (adata.obsm, adata.uns):
            for name in [name for name in slot if name.startswith("_scvi")]:
                del slot[name]


def set_value(*keys, to):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = to

    return change


CRAFTED = {
    "future version": (
        set_value("format_version", to=2),
        r"is of format version 2, and lowdepth .* reads version 1; update",
    ),
    "other format": (set_value("format", to="other"), "is of format 'other', expected 'lowdepth model'"),
    "other class": (set_value("class_name", to="SCVI"), "is a SCVI, expected a JointEmbedding; load it with its own"),
    "unknown key": (set_value("hook", to="os.system"), r"has unknown keys \['hook'\]"),
    "missing key": (lambda content: content.pop("history"), r"has missing keys \['history'\]"),
    "unknown kind": (
        set_value("history", to={"__type__": "module"}),
        "holds what no lowdepth model has .*kind of value",
    ),
    "unknown dtype": (
        set_value("history", to={"__type__": "array", "dtype": "(9,9)O", "shape": [], "values": []}),
        "holds what no lowdepth model has .*no dtype",
    ),
    "unknown attribute": (set_value("attributes", "save", to=1), "holds what no lowdepth model has"),
    "other method": (set_value("registry", "setup_method_name", to="load"), "holds what no lowdepth model has"),
    "no registry": (set_value("registry", to=[]), "holds what no lowdepth model has"),
    "unknown setting": (set_value("settings", "hook", to=1), "does not make a JointEmbedding .*hook"),
    "no preset": (set_value("preset", to=None), "holds what no lowdepth model has"),
    "other width": (set_value("settings", "n_hidden", to=9), "does not make a JointEmbedding .*size mismatch"),
    "file elsewhere": (set_value("files", "weights", "name", to="../weights-00000000.pt"), "names other files than"),
    "no weights": (set_value("files", to={}), "names other files than a model has"),
    "no files": (set_value("files", to=None), "names other files than a model has"),
}


@pytest.mark.parametrize("crafted", CRAFTED)
def test_crafted_documents(crafted, folder):
    change, message = CRAFTED[crafted]
    edit(folder, change)
    assert_refused(folder, f"(?s){message}")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", "[" * 100_000, '{"format": "lowdepth model", "x": NaN}', "\xff"]
)
def test_other_json(text, folder):
    (folder / "model.json").write_text(text, "latin-1")
    assert_refused(folder, r"model\.json' is damaged, or no JSON")


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(params=["pickle", "torch"])
def malicious(request, tmp_path):
    """Give a way to write a file that touches a path when it is unpickled, and the path."""

    def write(path):
        with path.open("wb") as file:
            (pickle.dump if request.param == "pickle" else torch.save)({"x": Touch(tmp_path / "touched")}, file)

    return write, tmp_path / "touched"


def test_malicious_pickle_of_scvi_tools(malicious, tmp_path):
    write, touched = malicious
    (tmp_path / "model").mkdir()
    write(tmp_path / "model" / "model.pt")
    for adata in (None, False):
        with pytest.raises(ValueError, match=r"is a pickle.*can run any code.*trusted=True"):
            load(tmp_path / "model", adata)
    assert_refused(tmp_path / "model", "is a pickle")
    for read in (ld.model.JointEmbedding.load_registry, ld.model.JointEmbedding.view_setup_args):
        with pytest.raises(ValueError, match="is a pickle"):
            read(tmp_path / "model")
    with pytest.raises(ValueError, match="is a pickle"):
        ld.model.JointEmbedding.load_query_data(cells(), str(tmp_path / "model"))
    with pytest.raises(ValueError, match="is a pickle"):
        ld.model.JointEmbedding.prepare_query_anndata(cells(), str(tmp_path / "model"))
    assert not touched.exists()


def test_malicious_weights(malicious, folder):
    from hashlib import sha256

    write, touched = malicious
    path = part(folder, "weights")
    write(path)
    edit(folder, set_value("files", "weights", "sha256", to=sha256(path.read_bytes()).hexdigest()))
    assert_refused(folder, r"weights-.*\.pt' holds more than weights, and was not loaded: it could run code")
    assert not touched.exists()


def test_the_pickle_would_have_run(malicious):
    write, touched = malicious
    path = touched.with_name("pickle")
    write(path)
    torch.load(path, weights_only=False) if path.read_bytes()[:2] == b"PK" else pickle.loads(path.read_bytes())
    assert touched.exists()


@pytest.mark.parametrize("content", [[1], {"x": 1}], ids=str)
def test_weights_that_are_none(content, folder):
    from hashlib import sha256

    path = part(folder, "weights")
    torch.save(content, path)
    edit(folder, set_value("files", "weights", "sha256", to=sha256(path.read_bytes()).hexdigest()))
    assert_refused(folder, r"weights-.*\.pt' holds no weights")


def test_trusted_pickle_of_another_class(tmp_path):
    adata = cells()
    scvi.model.LinearSCVI.setup_anndata(adata)
    scvi.model.LinearSCVI(adata).save(str(tmp_path / "model"))
    assert_refused(tmp_path / "model", "is a LinearSCVI, expected one of .*; load it with its own class", trusted=True)


def test_subclasses_load_their_own(folder):
    class Other(ld.model.JointEmbedding):
        pass

    with pytest.raises(ValueError, match="is a JointEmbedding, expected a Other"):
        Other.load(folder, cells())


GENES = {
    "reordered": (lambda adata: adata[:, ::-1], r"in another order: gene 0 is 'gene 19', expected 'gene 0'"),
    "fewer": (lambda adata: adata[:, :18], r"2 of 20 are missing \['gene 18', 'gene 19'\], 0 are unknown"),
    "others": (
        lambda adata: renamed(adata, [*adata.var_names[1:], "new"]),
        r"1 of 20 are missing \['gene 0'\], 1 are unknown \['new'\]",
    ),
    "twice": (lambda adata: renamed(adata, [*adata.var_names[:19], "gene 0"]), r"1 of 20 are missing \['gene 19'\]"),
}


def renamed(adata, names):
    adata.var_names = names
    return adata


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
@pytest.mark.parametrize("case", GENES)
def test_other_genes(case, folder):
    change, message = GENES[case]
    assert_refused(folder, rf"{message}.*prepare_query_anndata\(adata, '.*model'\)", adata=change(cells()).copy())


CELLS = {
    "no batch": (lambda adata: adata.obs.pop("batch"), KeyError, "no label column 'batch' in adata.obs"),
    "new batch": (lambda adata: adata.obs.__setitem__("batch", "new"), ValueError, "Category new not found"),
    "no covariate": (lambda adata: adata.obs.pop("age"), KeyError, "age"),
    "new category": (lambda adata: adata.obs.__setitem__("plate", 99), ValueError, "99"),
    "no counts": (lambda adata: adata.X.data.__imul__(0.5), ValueError, "not a whole number"),
}


@pytest.mark.filterwarnings("ignore:Constructing a Categorical with a dtype and values")  # scvi-tools, then it raises
@pytest.mark.parametrize("case", CELLS)
def test_other_cells(case, folder):
    change, error, message = CELLS[case]
    adata = cells()
    change(adata)
    assert_refused(folder, message, error, adata)


@pytest.mark.filterwarnings("ignore:Constructing a Categorical with a dtype and values")  # scvi-tools, then it raises
def test_cells_of_another_model_keep_their_registration(folder):
    adata = cells()
    other = model_of(adata)
    adata.obs["plate"] = 99
    assert_refused(folder, "99", adata=adata)
    assert np.isfinite(other.get_latent_representation()).all()


def test_no_cells_to_estimate_library_sizes_from(tmp_path):
    model_of(cells(), "scvi", use_observed_lib_size=False).save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"model' estimates library sizes.*pass them as `adata`"):
        load(tmp_path / "model", adata=False)


@pytest.mark.parametrize("role", ["weights", "adata"])
def test_a_file_is_missing(role, folder):
    path = part(folder, role)
    path.unlink()
    assert_refused(folder, rf"{path.name}', a part of the model, is missing; copy", FileNotFoundError)


@pytest.mark.parametrize("options", [{}, {"prefix": "other_"}, {"trusted": True}], ids=str)
def test_there_is_no_model(options, tmp_path):
    assert_refused(tmp_path, r"there is no model '.*model\.json'; name a folder", FileNotFoundError, **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(folder):
    adata = cells()
    with assert_unchanged(adata), pytest.raises(Exception, match=r"(?i)cuda|gpu"):
        ld.model.JointEmbedding.load(folder, adata, accelerator="cuda")


def test_what_was_refused_is_mended_by_a_copy(folder, saved, model):
    part(folder, "weights").write_bytes(b"")
    assert_refused(folder, "is damaged")
    shutil.copytree(saved, folder, dirs_exist_ok=True)
    loaded = load(folder, cells())
    assert_same_model(loaded, model)
    assert same_weights(weights(loaded), weights(model))
