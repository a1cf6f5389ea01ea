"""A kernel that is quick to lift, and what comes of it."""

from __future__ import annotations

from functools import lru_cache
from html.parser import HTMLParser

import xpiler_tvm as xt

# Names and comments that would be markup if nobody escaped them.
ROWS = """
// <script>alert("x & y")</script>
__global__ void rows(const float *x, float *y, int n) {
  __shared__ float part[32];
  int t = threadIdx.x;
  part[t] = x[blockIdx.x * n + t];
  __syncthreads();
  float total = 0.0f;
  for (int k = 0; k < n; ++k) total += part[k];
  y[blockIdx.x * n + t] = x[blockIdx.x * n + t] / total;
}
"""


@lru_cache
def lifted() -> xt.Lifted:
    params = (
        xt.Tensor("x", (16, 32)),
        xt.Tensor("y", (16, 32), intent="out"),
        xt.Scalar("n", value=32),
    )
    return xt.lift(xt.Kernel(ROWS, "cuda", "rows", params, xt.Launch((16,), (32,))))


@lru_cache
def translation(target: str) -> xt.Translation:
    return xt.transcompile(lifted(), target)


class Page(HTMLParser):
    """The elements of a page: that they are closed as they were opened, and their text."""

    VOID = ("input", "meta", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"{tag} closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def count(self, tag: str) -> int:
        return sum(1 for name, _ in self.tags if name == tag)

    def groups(self, text: str) -> list[str | None]:
        """The groups of the lines of code, in order."""
        return [about.get("data-g") for tag, about in self.tags if about.get("class") == text]
