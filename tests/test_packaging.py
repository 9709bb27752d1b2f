"""What the registries get agrees with what the package says of itself."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RECIPE = yaml.safe_load((ROOT / "packaging" / "recipe.yaml").read_text())
LISTING = yaml.safe_load((ROOT / "packaging" / "meta.yaml").read_text())

CONDA_NAMES = {"matplotlib": "matplotlib-base", "torch": "pytorch"}


def test_conda_recipe_needs_what_the_package_needs():
    needed = {}
    for requirement in PROJECT["dependencies"]:
        name, bounds = requirement.split(">=", 1)
        needed[CONDA_NAMES.get(name, name)] = f">={bounds}"
    recipe = dict(requirement.split(" ", 1) for requirement in RECIPE["requirements"]["run"])
    assert recipe.pop("python") == ">=${{ python_min }}"
    assert recipe == needed


def test_conda_recipe_is_of_this_package():
    assert RECIPE["context"]["version"] == PROJECT["version"]
    assert RECIPE["about"]["summary"] == PROJECT["description"]
    assert RECIPE["about"]["license"] == PROJECT["license"]
    assert RECIPE["about"]["license_file"] == PROJECT["license-files"]
    command, target = RECIPE["build"]["python"]["entry_points"][0].split(" = ")
    assert PROJECT["scripts"] == {command: target}


def test_nextflow_module_takes_this_version():
    module = ROOT / "workflows" / "nextflow" / "modules" / "local" / "lowdepth" / "rescue"
    environment = yaml.safe_load((module / "environment.yml").read_text())
    assert environment["dependencies"] == [f"conda-forge::lowdepth={PROJECT['version']}"]


def test_scverse_listing_has_every_field_that_its_schema_asks_for():
    """The schema itself is in scverse/ecosystem-packages."""
    required = {"name", "description", "project_home", "documentation_home", "license", "tags", "primary_category"}
    assert required | {"language", "category", "install", "contact"} <= LISTING.keys()
    assert LISTING["name"] == LISTING["install"]["pypi"] == PROJECT["name"]
    assert PROJECT["license"].startswith(f"{LISTING['license']} AND")
    assert len(set(LISTING["tags"])) == len(LISTING["tags"]) <= 10
    assert "/en/" not in LISTING["tutorials_home"]  # the registry wants Read the Docs' default version
