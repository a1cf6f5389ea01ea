"""How far two correct programs may differ in floating point.

A sum of n terms computed in two orders differs by at most 2 gamma(n) * sum |terms|, with
gamma(n) = n u / (1 - n u) and u the unit roundoff (Higham, Accuracy and Stability of Numerical
Algorithms, section 3.1). That is what is possible; with rounding errors of mixed sign the
difference stays below lambda sqrt(n) u * sum |terms| for a small lambda with a probability that
cannot be told from one (Higham and Mary, A New Approach to Probabilistic Rounding Error Analysis,
2019). Integers have no bound, they are equal or wrong.

Where a kernel is known as a program (`reference`) and computes polynomials, n and sum |terms| are
evaluated for every element of the output, and the bound is

    DERIVED * gamma(sqrt(n) + PRODUCTS) * sum |terms|  +  ROUNDED * (u of narrower types) * the same

with u that of the types in which the program computes: a sum in float of products of halves is
rounded in float. Types to which it rounds beside (a store to a half, a cast) come as the second
summand. Everything else has `SAFETY * gamma(sqrt(n)) * scale`, where `scale` stands for sum |terms|
and is max(|reference|, rms of the reference), element by element: an element that is small because
its terms cancelled has errors of the size of its neighbours', not of its own. For n terms of random
sign and size t the root mean square is about sqrt(n) t and the error sqrt(n) u sqrt(n) t: within
the bound by the factor `SAFETY`, while a wrong index makes an error of the order of the scale. It
is a rule and no theorem: functions that amplify errors (a logarithm near one, a difference of
nearly equal results) are beyond it.
"""

from __future__ import annotations

import math

import numpy as np

from xpiler_tvm.kernel import Kernel

UNIT_ROUNDOFF: dict[str, float] = {
    "float16": 2.0**-11,
    "bfloat16": 2.0**-8,
    "float32": 2.0**-24,
    "float64": 2.0**-53,
}
# Lambda. Two programs err, and expf, tanhf and the like differ by some units in the last place
# between implementations; a composed function (gelu, a normalisation) has several of them.
SAFETY = 16.0
# No bound of that rule may come near the scale itself, or a wrong index would pass.
LOOSEST = 1.0 / 16
# With sum |terms| known and products and sums alone, lambda of one for each of two programs.
DERIVED = 2.0
PRODUCTS = 4.0
ROUNDED = 4.0
# An output of zeros leaves room for results that round to zero in one of the programs.
_TINY = float(np.finfo(np.float32).tiny)


def gamma(terms: float | np.ndarray, unit: float) -> float | np.ndarray:
    """n u / (1 - n u), or infinity where n u >= 1 and nothing is known."""
    product = np.asarray(terms, np.float64) * unit
    with np.errstate(divide="ignore"):
        return np.where(product < 1, product / np.maximum(1 - product, _TINY), np.inf)


def bound(
    reference: np.ndarray,
    dtype: str,
    terms: int | np.ndarray,
    scale: np.ndarray | float | None = None,
) -> np.ndarray:
    """The largest permitted |actual - reference|, for each element, in float64.

    `terms` counts what was accumulated into an output, in the type `dtype`; one number or one for
    each element. `scale` is sum |terms|, an array or one number; `None` for what the module's text
    says.
    """
    exact = reference.astype(np.float64)
    finite = np.where(np.isfinite(exact), np.abs(exact), 0.0)
    if scale is None:
        rms = math.sqrt(float(np.mean(finite**2))) if finite.size else 0.0
        scale = np.maximum(finite, rms)
    unit = UNIT_ROUNDOFF[dtype]
    relative = np.minimum(SAFETY * gamma(np.sqrt(np.maximum(1, terms)), unit), LOOSEST)
    return relative * np.asarray(scale, np.float64) + _TINY


def derived_bound(
    scale: np.ndarray, terms: np.ndarray, computed: float, rounded: float = 0.0
) -> np.ndarray:
    """The same for a polynomial program.

    `scale` is sum |terms| and `terms` their number, by element; `computed` is the unit roundoff of
    the program's arithmetic, `rounded` that of narrower types to which it rounds, or 0.
    """
    relative = DERIVED * gamma(np.sqrt(np.maximum(1, terms)) + PRODUCTS, computed)
    return (relative + ROUNDED * rounded) * scale + _TINY


def likely_terms(kernel: Kernel) -> int:
    """How many terms an output of `kernel` sums at most, guessed from the tensors' sizes.

    For kernels that are known as texts only. Inputs a and b, output c: a reduction sums |a| / |c|
    terms, a product of matrices sqrt(|a| |b| / |c|), and nothing sums more than the largest input
    has.
    """
    sizes = sorted((t.size for t in kernel.tensors if t.intent != "out"), reverse=True)
    outputs = [t.size for t in kernel.tensors if t.written]
    if not sizes or not outputs:
        return 1
    smallest = min(outputs)
    guesses = [sizes[0] / smallest]
    if len(sizes) > 1:
        guesses.append(math.sqrt(sizes[0] * sizes[1] / smallest))
    # Normalisations and softmax keep the size and still sum a row, whose length a flat shape hides.
    rows = [t.shape[-1] for t in kernel.tensors if t.shape]
    return max(1, min(sizes[0], math.ceil(max(*guesses, *rows))))
