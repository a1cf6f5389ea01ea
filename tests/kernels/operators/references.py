"""The operators of the grid: shapes, operands, and what is right, in numpy.

36 operators of 8 shapes each; every dialect has a kernel of each. Tensors are flat arrays in
row-major order whose names are the kernels' parameter names. Layouts: images are NHWC and weights
O,KH,KW,I, except in `conv2dnchw`, and nothing is padded. An operator over any number of dimensions
is stated by what it does: elements (N), rows (ROWS, COLS), an axis (OUTER, AXIS, INNER).

A reference takes a shape and the inputs as the kernels get them, whatever their types, and computes
in float64, or in int64 where all operands are integers. What `Operand.dtypes` says, in short
(f: float, i: int, u: unsigned int):

==================  ==================  =======================  =====================
operators           GPUs                C with VNNI              BANG C
==================  ==================  =======================  =====================
gemm, bmm           f16, f16 -> f32     u8|i8, i8 -> i32         i8|f16 both -> f32
gemv                f32, f32 -> f32     u8|i8, i8 -> i32         f32, f32 -> f32
dense               f16, f16 + f32      i16, i16 + i32           f16, f16 + f16|f32
                    -> f32              -> i32                   -> f16|f32
gatemlp             f16 -> f32          i16 -> f32               f16 -> f16|f32
conv2d, conv2dnchw  f32, f32 -> f32     u8|i8, i8 -> i32         f32, f32 -> f32
mha (Q, K; V)       f32; f32 -> f32     i8; f32 -> f32           f32; f32 -> f32
gqa (Q, K; V)       f16; f16 ->         i16; f32 -> f32          f16; f16 -> f16|f32
                    f16|f32
gather, scatter     f32, index i32|i64  the same                 the same
deformable          f32, shapes i32     the same                 the same
all others          f32 -> f32          the same                 the same
==================  ==================  =======================  =====================
"""

from .definitions import attention, axes, elementwise, normalisation, products, windows
from .definitions.declaring import OPERATORS, Operator

__all__ = [
    "OPERATORS",
    "Operator",
    "attention",
    "axes",
    "elementwise",
    "normalisation",
    "products",
    "windows",
]
