"""The shared texts of docstrings."""

from __future__ import annotations

import pytest

from lowdepth._docs import SHARED, shared_docs


def documented(docstring):
    def function():
        pass

    function.__doc__ = docstring
    return shared_docs(function).__doc__


@pytest.mark.parametrize("indent", ["", "    "])
def test_a_placeholder_is_filled_at_its_own_depth(indent):
    expected = "".join(f"{indent}{line}\n" for line in SHARED["rng"].splitlines())
    assert documented(f"Do it.\n\n{indent}{{rng}}\n{indent}other\n") == f"Do it.\n\n{expected}{indent}other\n"


def test_braces_within_a_line_stay():
    text = """Give {rng} in a sentence.

    >>> {rng}
    {'rng': 7}
    """
    assert documented(text) == text


def test_an_unknown_name_is_an_error():
    with pytest.raises(KeyError, match="nonsense"):
        documented("Do it.\n\n{nonsense}\n")


def test_no_docstring():
    assert documented(None) is None


def test_the_function_is_the_same():
    def function():
        """{copy}"""

    assert shared_docs(function) is function


@pytest.mark.parametrize("name", SHARED)
def test_texts_have_no_placeholders_of_their_own(name):
    assert documented(SHARED[name]) == SHARED[name]
    assert SHARED[name] == SHARED[name].strip()
