"""Names for what a raised kernel computes, and the same in TVM's own operators.

    leaves        the blocks of a raised function
    affine        indices as sums of multiples of axes
    nodes, terms  one closed expression an output, in terms of the parameters' memory
    building      from blocks to terms
    normal        terms without the traces of how work was divided
    meaning       what a scalar expression is, told by its values
    emitter       terms as Relax expressions over rows of axes; the families below are its rules
    elementwise, reductions, contraction, convolution, pooling, softmax, normalisations, attention,
    movement, scatter
    equivalent    a whole kernel as a Relax function and its operators
    lowering      the same as TensorIR
    agreement     whether two raised modules are the same, as blocks and as terms

Nothing here knows of schedules, or runs anything.
"""

from .agreement import canonical_form, difference, is_same_term
from .equivalent import Equivalent, equivalent_of
from .lowering import lowered
from .operator import Operator

__all__ = [
    "Equivalent",
    "Operator",
    "canonical_form",
    "difference",
    "equivalent_of",
    "is_same_term",
    "lowered",
]
