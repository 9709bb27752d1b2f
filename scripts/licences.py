"""List the licences of all that lowdepth needs, as its packages state them: ``python scripts/licences.py``."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, metadata, requires

from packaging.requirements import Requirement


def needed(package, found=None):
    """Collect what a package needs, and what that needs, without extras."""
    found = {} if found is None else found
    for line in requires(package) or []:
        requirement = Requirement(line)
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        try:
            found[name] = licence(metadata(name))
        except PackageNotFoundError:
            found[name] = "not installed"
            continue
        needed(name, found)
    return found


def licence(stated):
    """Give the licence that a package's metadata state, in the shortest of the three places for it."""
    classified = [line.rpartition(" :: ")[2] for line in stated.get_all("Classifier", []) if "License ::" in line]
    text = stated.get("License-Expression") or ", ".join(classified) or stated.get("License") or "not stated"
    return text.strip().splitlines()[0][:60]


if __name__ == "__main__":
    print("| package | licence |\n|---|---|")
    for name, text in sorted(needed("lowdepth").items()):
        print(f"| {name} | {text} |")
