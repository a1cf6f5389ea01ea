"""A change of the text reads as a person would write it."""

from __future__ import annotations

import pytest

from xpiler_tvm.kernel import Kernel, Launch
from xpiler_tvm.synthesis.holes import PARTS, Fill, patched
from xpiler_tvm.synthesis.sites import Site, sites_of
from xpiler_tvm.synthesis.tree import functions

TEXT = """__global__ void k(const float* x, float* y, int n, int m) {
  for (int i = threadIdx.x; i < n + 1; i += 2) y[i * (m - 1) + 4] = x[i];
}
"""
KERNEL = Kernel(TEXT, "cuda", "k", None, Launch((1,), (8,)))


@pytest.fixture(scope="module")
def sites() -> list[Site]:
    return sites_of(functions(KERNEL, TEXT), "cuda")


def _site(sites: list[Site], text: str) -> Site:
    return next(site for site in sites if site.text == text)


@pytest.mark.parametrize(
    ("place", "fill", "line"),
    [
        ("n + 1", Fill(plus=-1), "i < n;"),
        ("i < n + 1", Fill(operator="<=", x=1, y=2), "i <= n + 1;"),
        ("2", Fill(plus=1), "i += 3"),
        ("m - 1", Fill(plus=1), "y[i * m + 4]"),
        ("m - 1", Fill(times=2), "i * ((m - 1) * 2) + 4"),
        ("i * (m - 1) + 4", Fill(plus=-4), "y[i * (m - 1)]"),
        ("threadIdx.x", Fill(times=0, weight=1, z=1 + PARTS), "int i = "),
    ],
)
def test_written_out(sites: list[Site], place: str, fill: Fill, line: str) -> None:
    assert line in patched(TEXT, [(_site(sites, place), fill)])


def test_places_have_kinds(sites: list[Site]) -> None:
    kinds = {site.text: site.kind for site in sites}
    assert kinds["n + 1"] == "bound"
    assert kinds["2"] == "stride"
    assert kinds["i * (m - 1) + 4"] == "index"
    assert kinds["threadIdx.x"] == "mapping"
