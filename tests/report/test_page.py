"""The page is one file that stands alone, and everyone can read it."""

from __future__ import annotations

import re
import shutil
import subprocess
from base64 import b64decode
from html.parser import HTMLParser
from importlib.resources import files
from io import BytesIO
from unittest.mock import patch

import matplotlib.image as mpimg
import matplotlib.pyplot as plt
import numpy as np
import pytest
from anndata import read_zarr
from anndata.experimental import read_lazy
from helpers import assert_unchanged

import lowdepth as ld

VOID = {"meta", "img", "link", "br"}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page(HTMLParser):
    """All elements with their attributes, the text, and a check that every tag is closed where it should be."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.text, self.open = [], "", []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def page(done, tmp_path):
    return Page(ld.report(done, tmp_path / "page.html").read_text(encoding="utf-8"))


def test_every_tag_is_closed(page):
    assert page.open == []


def test_all_sections_are_there_in_order(page):
    assert [section["id"] for section in page.all("section")] == [
        "depth",
        "shallow-cells-in-the-embedding",
        "recovery-of-labels",
        "calibration",
        "rescued-cells",
        "keep-in-mind",
        "what-was-done",
    ]


def test_links_lead_to_sections_or_to_the_paper(page):
    targets = [link["href"] for link in page.all("a")]
    ids = {f"#{attributes['id']}" for _, attributes in page.elements if "id" in attributes}
    assert {target for target in targets if target.startswith("#")} <= ids
    assert [target for target in targets if not target.startswith("#")] == [
        "https://doi.org/10.64898/2026.02.11.705441"
    ]


def test_nothing_is_fetched(page):
    sources = [value for _, attributes in page.elements for name, value in attributes.items() if name == "src"]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not page.all("script") + page.all("link") + page.all("iframe")
    assert "url(" not in (files("lowdepth._report") / "page.css").read_text(encoding="utf-8")
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_images_decode_and_say_what_they_show(page):
    images = page.all("img")
    assert len(images) == 4
    for image in images:
        pixels = mpimg.imread(BytesIO(b64decode(image["src"].partition(",")[2])), format="png")
        height, width = pixels.shape[:2]
        assert int(image["width"]) / int(image["height"]) == pytest.approx(width / height, rel=0.01)
        assert pixels.std() > 0
        assert len(image["alt"]) > 40


def test_structure_for_screen_readers(page):
    assert page.all("html") == [{"lang": "en"}]
    tags = [tag for tag, _ in page.elements]
    assert (tags.count("h1"), tags.count("main"), tags.count("title")) == (1, 1, 1)
    assert tags.count("h2") == tags.count("section")
    assert tags.count("caption") == tags.count("table") > 0
    assert all(heading["scope"] in {"col", "row"} for heading in page.all("th"))


def test_labels_are_text_wherever_they_stand(page):
    assert "<script>alert('T')</script> & \"B\"" in page.text
    assert not page.all("script")


def test_titles_are_text(bare, tmp_path):
    html = ld.report(bare, tmp_path / "page.html", title="</title><img src=x>").read_text(encoding="utf-8")
    assert "<img src=x>" not in html
    assert "</title><img src=x>" in Page(html).text


def luminance(color):
    """Relative luminance as the WCAG 2.1 define it."""
    channels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
@pytest.mark.parametrize("ink", ["ink", "muted", "link"])
def test_contrast_is_that_of_wcag_aaa(scheme, ink):
    css = (files("lowdepth._report") / "page.css").read_text(encoding="utf-8")
    colors = dict(re.findall(r"--(\w+): (#\w{6});", re.findall(r":root \{(.*?)\}", css, flags=re.DOTALL)[scheme]))
    for paper in ("paper", "tint"):
        dark, light = sorted([luminance(colors[ink]), luminance(colors[paper])])
        assert (light + 0.05) / (dark + 0.05) >= 7


def test_adata_and_figures_stay_as_they_are(done, tmp_path):
    with assert_unchanged(done), plt.style.context("dark_background"):
        ld.report(done, tmp_path / "page.html")
    assert plt.get_fignums() == []


def test_cells_that_were_opened_lazily_have_the_same_page(done, tmp_path):
    done.write_zarr(tmp_path / "cells.zarr")
    lazily, at_once = [
        ld.report(read(tmp_path / "cells.zarr"), tmp_path / "page.html").read_text(encoding="utf-8")
        for read in (read_lazy, read_zarr)
    ]
    assert lazily == at_once


def test_a_view_is_not_copied(done, tmp_path):
    view = done[5:]
    with assert_unchanged(view):
        ld.report(view, tmp_path / "page.html")


def test_the_old_page_survives_an_error(done, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    with (
        patch("lowdepth._report._page._render", side_effect=OSError("disk full")),
        pytest.raises(OSError, match="full"),
    ):
        ld.report(done, path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("page.html", "old")]


@pytest.mark.parametrize("option", ["basis", "sample_key"])
def test_unknown_keys_are_named(done, tmp_path, option):
    with assert_unchanged(done), pytest.raises(KeyError, match="'nonsense'"):
        ld.report(done, tmp_path / "page.html", **{option: "nonsense"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_shows_the_page_without_complaint(done, tmp_path):
    path = ld.report(done, tmp_path / "page.html")
    browser = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    shot = tmp_path / "page.png"
    run = subprocess.run(
        [*browser, "--enable-logging=stderr", "--hide-scrollbars", f"--screenshot={shot}", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert "CONSOLE" not in run.stderr
    assert mpimg.imread(shot).std() > 0
