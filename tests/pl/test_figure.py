"""Figures keep their proportions when the user's fonts are larger."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from lowdepth.pl._figure import one_axes, square_axes


@pytest.mark.parametrize(
    "make",
    [lambda: one_axes(None, (4, 3)), lambda: square_axes(2, None, ncols=2, legend_width=1.0)[0]],
    ids=["one", "grid"],
)
def test_figures_grow_with_the_font(make):
    sizes = []
    for font_size in (10, 14):
        with mpl.rc_context({"font.size": font_size}):
            figure = make().figure
        sizes.append(figure.get_size_inches())
        plt.close(figure)
    np.testing.assert_allclose(sizes[1], 1.4 * sizes[0])
