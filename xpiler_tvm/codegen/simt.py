"""Files of CUDA and HIP: a kernel and the host function that launches it.

The languages share everything but names. `SimtLanguage` says what those are, `SimtPrinter` prints
what blocks of threads have beyond C: sums over threads and copies of whole vectors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import tvm
import tvm_ffi
from tvm import tirx
from tvm.target import Target

from xpiler_tvm.kernel import Dialect, Kernel, Launch

from . import ptx
from .async_copies import ASYNC, COMMIT, WAIT, pipelined
from .c_family import (
    INDENT,
    OR,
    PRODUCT,
    CDialect,
    CPrinter,
    Text,
    arguments,
    banner,
    buffer_size,
    dtype_of,
    entry_name,
    signature,
)
from .fragments import FragmentForm, arrays_of_fragments, fragments_in
from .lanes import vector_copy
from .lower import DeviceFunction, device_function
from .prefetch import prefetched
from .reductions import Reduction, Shuffles, kind_of, thread_axes
from .sizes import CONDITIONS_ATTRIBUTE, in_c

INDEX_NAMES: Mapping[str, str] = {
    "blockIdx.x": "bx",
    "blockIdx.y": "by",
    "blockIdx.z": "bz",
    "threadIdx.x": "tx",
    "threadIdx.y": "ty",
    "threadIdx.z": "tz",
}
DYNAMIC = "shared_memory"
"""The name of dynamic shared memory."""

RESERVED = frozenset(
    {"warpSize", "blockIdx", "threadIdx", "blockDim", "gridDim", "stream", DYNAMIC}
)

_WORDS = (
    (r"(_reindex|_pad)+(?=_|$)", ""),
    (r"(_shared)?_wmma\.accumulator$", "_sum"),
    (r"_wmma\.matrix_[ab]$", "_fragment"),
)
"""What TVM appends to the names of arrays, and what of it is worth saying."""

_FRAGMENT_CALLS = frozenset(
    f"tirx.tvm_{name}"
    for name in ("load_matrix_sync", "store_matrix_sync", "mma_sync", "fill_fragment")
)

SUFFIX_OF: Mapping[Dialect, str] = {"cuda": ".cu", "hip": ".hip"}

VECTOR_BYTES = 16
"""The most that one thread moves at once."""

STATIC_SHARED = 48 * 1024
"""Bytes of shared memory that a block has without being asked for."""

FRAGMENT_BYTES = 32
"""Where a fragment lies in memory must be a multiple of this."""

_VECTORS: Mapping[int, tuple[str, str]] = {
    16: ("uint4", "make_uint4(0, 0, 0, 0)"),
    8: ("uint2", "make_uint2(0, 0)"),
    4: ("unsigned int", "0u"),
}
_FLOATS: Mapping[int, tuple[str, str]] = {
    16: ("float4", "make_float4(0.0f, 0.0f, 0.0f, 0.0f)"),
    8: ("float2", "make_float2(0.0f, 0.0f)"),
}
"""The type that moves so many bytes at once, and its zero."""


@dataclass(frozen=True)
class SimtLanguage:
    """What CUDA and HIP call things.

    Attributes
    ----------
    dialect : names of types, axes and functions.
    prefix : of the runtime's functions, and the name of the dialect: `cuda` or `hip`.
    header : what every file includes.
    shuffles : how lanes exchange values.
    type_headers : further headers by TIR dtype.
    mask : the lanes that take part in a shuffle, where it says so.
    resident_blocks : blocks of up to 256 threads that a multiprocessor should hold, for which
        registers are left; 0 where launch bounds do not say.
    fragments : how matrices in the registers of a warp are written.
    fragment_head : what a file with such matrices begins with, after the headers.
    shared_bytes : what a block may have of shared memory, the dynamic part included.
    """

    dialect: CDialect
    prefix: Dialect
    header: str
    shuffles: Shuffles
    type_headers: Mapping[str, str] = field(default_factory=dict)
    mask: str = ""
    resident_blocks: int = 0
    fragments: FragmentForm | None = None
    fragment_head: str = ""
    shared_bytes: int = 48 * 1024


class SimtPrinter(CPrinter):
    """Prints a kernel for blocks of threads."""

    def __init__(self, language: SimtLanguage, function: DeviceFunction, kernel: Kernel) -> None:
        super().__init__(language.dialect, function, kernel)
        self.language = language
        self.reducers: list[tirx.CommReducer] = []
        self.divergent = False
        self.in_vectors = _in_vectors(function.body)
        self.fragments = fragments_in(function.body)
        self.under_fragments = arrays_of_fragments(function.body)
        self.moved_as_vectors: set[str] = set()

    # --- names ------------------------------------------------------------------------------

    def declare(self, var: tvm.ir.Var) -> str:
        """Without the words for all the steps by which an array came about."""
        short = var
        for pattern, word in _WORDS:
            name = re.sub(pattern, word, short.name)
            if name != short.name:
                short = tirx.Var(name, "int32")
        self.names[var] = name = super().declare(short)
        return name

    def declare_loop(self, var: tvm.ir.Var) -> str:
        """One letter where TVM numbers the axes of an array."""
        return self.declare_short(var) if re.match(r"ax\d", var.name) else super().declare_loop(var)

    # --- expressions ------------------------------------------------------------------------

    def expr_Cast(self, node: tirx.Cast) -> Text:
        """Through float: the classes of short floats convert to several types, or to few."""
        short = dtype_of(node.value) in ("float16", "bfloat16")
        if short and dtype_of(node) != "float32":
            return self.cast(self.cast(self.expr(node.value), "float32"), dtype_of(node))
        return super().expr_Cast(node)

    def warp(self, node: tvm.ir.Call, name: str) -> Text:
        shuffled = super().warp(node, name)
        mask = f"({self.language.mask}, " if self.language.mask else "("
        return Text(shuffled.code.replace("(", mask, 1))

    # --- sums over threads ------------------------------------------------------------------

    def stmt_AttrStmt(self, node: tirx.AttrStmt) -> None:
        if node.attr_key == "reduce_scope" and isinstance(node.node, tirx.CommReducer):
            self.reducers.append(node.node)
            self.stmt(node.body)
            self.reducers.pop()
            return
        super().stmt_AttrStmt(node)

    def stmt_IfThenElse(self, node: tirx.IfThenElse) -> None:
        outer = self.divergent
        self.divergent = outer or self._differs_between_threads(node.condition)
        super().stmt_IfThenElse(node)
        self.divergent = outer

    def _differs_between_threads(self, condition: tvm.ir.Expr) -> bool:
        found: list[object] = []
        tvm_ffi.structural_walk(condition, [((tvm.ir.Var, tvm.ir.TensorLoad), found.append)])
        return any(
            self.axis_of.get(node, "").startswith("threadIdx")
            if isinstance(node, tvm.ir.Var)
            else True
            for node in found
        )

    def stmt_Evaluate(self, node: tirx.Evaluate) -> None:
        value = node.value
        name = value.op.name if isinstance(value, tvm.ir.Call) else ""
        if name == "tirx.tvm_thread_allreduce":
            self._allreduce(value)
        elif name in _FRAGMENT_CALLS:
            self._on_fragments(name, value)
        else:
            super().stmt_Evaluate(node)

    def _allreduce(self, call: tvm.ir.Call) -> None:
        if self.divergent:
            self.refuse(call, "only some of a block's threads would reach a sum over all of them")
        reducer, count = self.reducers[-1], int(call.args[0])
        values, taken = call.args[1 : 1 + count], call.args[1 + count]
        results = call.args[2 + count : 2 + 2 * count]
        if not (isinstance(taken, tirx.IntImm) and int(taken)):
            self.refuse(call, "some threads would be left out of a sum over all of them")
        axes = thread_axes(call, lambda var: self.axis_of[var])
        types = tuple(self.dialect.type(dtype_of(value)) for value in values)

        def combine(left: Sequence[str], right: Sequence[str]) -> list[str]:
            return self._combined(reducer, left, right)

        reduction = Reduction(kind_of(reducer), types, axes, self.function.block, combine)
        name = self._reduction_function(reduction)
        targets = [self.expr(result).code for result in results]
        if count == 1:
            self.line(f"{targets[0]} = {name}({self.expr(values[0]).code});")
            return
        for target, value in zip(targets, values, strict=True):
            self.line(f"{target} = {self.expr(value).code};")
        self.line(f"{name}({', '.join(targets)});")

    def _combined(
        self, reducer: tirx.CommReducer, left: Sequence[str], right: Sequence[str]
    ) -> list[str]:
        names = dict(zip((*reducer.lhs, *reducer.rhs), (*left, *right), strict=True))
        outer = dict(self.names)
        self.names.update(names)
        results = [self.expr(result).code for result in reducer.result]
        self.names = outer
        return results

    def _reduction_function(self, reduction: Reduction) -> str:
        """The name of the function for a reduction, which the file defines once."""
        shuffles = self.language.shuffles
        name = reduction.name(shuffles.warp)
        number = 0
        while True:
            chosen = f"{name}_{number}" if number else name
            try:
                text = reduction.definition(chosen, self.dialect.helper, shuffles)
            except ValueError as error:
                self.refuse(reduction, str(error))
            if self.helpers.setdefault(chosen, text) == text:
                self.called.add(chosen)
                return chosen
            number += 1

    # --- matrices in the registers of a warp ------------------------------------------------

    def stmt_AllocBuffer(self, node: tirx.AllocBuffer) -> None:
        if node.buffer in self.function.dynamic:
            ctype = self.dialect.type(str(node.buffer.dtype))
            place = f"{DYNAMIC} + {self.function.dynamic[node.buffer]}"
            name = self.declare(node.buffer)
            self.line(f"{ctype}* const {name} = reinterpret_cast<{ctype}*>({place});")
            return
        fragment, form = self.fragments.get(node.buffer), self.language.fragments
        if fragment is None or form is None:
            super().stmt_AllocBuffer(node)
            return
        count = (buffer_size(node.buffer) or 0) // fragment.elements
        name = self.declare(node.buffer)
        for line in self._written(lambda: form.declare(self, name, fragment, count)):
            self.line(line)

    def _on_fragments(self, name: str, call: tvm.ir.Call) -> None:
        """One of TVM's calls on fragments."""
        form, args = self.language.fragments, list(call.args)
        if form is None:
            self.refuse(call, "no matrix instructions")
        if name == "tirx.tvm_mma_sync":
            c, a, b = (self._fragment(args[i], args[i + 1]) for i in (0, 2, 4))
            total, left, right = (self.fragments[args[i].args[0]] for i in (0, 2, 4))
            kinds = (total, left, right)
            lines = self._written(lambda: form.multiply(self, (c, a, b), kinds))
        else:
            place, fragment = self._fragment(args[0], args[4]), self.fragments[args[0].args[0]]
            if name == "tirx.tvm_fill_fragment":
                value = self.expr(args[5]).code
                lines = self._written(lambda: form.fill(self, place, fragment, value))
            else:
                _, data, offset, *_ = args[5].args
                where = (
                    self.name(data.args[0]),
                    self.expr(offset).code,
                    self.expr(args[6]).within(PRODUCT),
                )
                act = form.load if name == "tirx.tvm_load_matrix_sync" else form.store
                lines = self._written(lambda: act(self, place, fragment, where))
        for line in lines:
            self.line(line)

    def _fragment(self, data: tvm.ir.Expr, number: tvm.ir.Expr) -> str:
        return f"{self.name(data.args[0])}[{self.expr(number).code}]"

    def _written(self, write: Callable[[], list[str]]) -> list[str]:
        try:
            return write()
        except ValueError as error:
            self.refuse(self.function, str(error))

    def thread(self) -> str:
        """The number of a thread in its warp: warps lie along x."""
        self.used_axes.add("threadIdx.x")
        return self.dialect.index_names["threadIdx.x"]

    def type_of(self, dtype: str) -> str:
        return self.dialect.type(dtype)

    def define(self, name: str, text: str) -> None:
        self.helpers[name] = text

    # --- copies of vectors ------------------------------------------------------------------

    def stmt_For(self, node: tirx.For) -> None:
        if node.kind == tirx.ForKind.VECTORIZED:
            copy = self._vector_copy(node)
            if copy is not None:
                self.line(copy)
                return
        super().stmt_For(node)

    def _vector_copy(self, loop: tirx.For) -> str | None:
        """The statement for a loop that copies neighbours to neighbours, all at once.

            for v: a[4 * i + v] = x[8 * j + v]   ->   *(uint4*)&a[4 * i] = *(uint4*)&x[8 * j]

        A value that is read under a condition becomes zeros where it fails.
        """
        found = vector_copy(loop, self.analyzer)
        if found is None or found.target in self.scalars or found.source in self.scalars:
            return None
        vectors = _FLOATS if str(found.target.dtype) == "float32" else _VECTORS
        if found.bytes not in vectors:
            return None
        ctype, nothing = vectors[found.bytes]
        self.moved_as_vectors |= {self.name(buffer) for buffer in (found.target, found.source)}
        target = f"&{self.element(found.target, [found.target_index])}"
        source = f"&{self.element(found.source, [found.source_index])}"
        inside = None if found.condition is None else self.expr(found.condition)
        if ASYNC in loop.annotations:
            test = None if inside is None else inside.code
            return ptx.copy(self, found.bytes, target, source, test)
        read = f"*reinterpret_cast<const {ctype}*>({source})"
        if inside is not None:
            read = f"{inside.within(OR)} ? {read} : {nothing}"
        return f"*reinterpret_cast<{ctype}*>({target}) = {read};"

    def call_call_extern(self, node: tvm.ir.Call) -> Text:
        name, *args = node.args
        if str(name.value) in (COMMIT, WAIT):
            return Text(ptx.of_copies(self, str(name.value), [int(arg) for arg in args]))
        return super().call_call_extern(node)

    def array(self, buffer: tirx.Buffer, name: str, size: int) -> str:
        text = super().array(buffer, name, size)
        if buffer in self.under_fragments:
            return f"alignas({FRAGMENT_BYTES}) {text}"
        # A compiler joins reads of neighbours in shared memory where it knows the alignment.
        wide = buffer in self.in_vectors or buffer.scope().startswith("shared")
        return f"alignas({VECTOR_BYTES}) {text}" if wide else text


def emit_simt(
    language: SimtLanguage,
    scheduled_mod: tvm.IRModule,
    kernel: Kernel,
    target: Target,
    title: str,
) -> tuple[str, Kernel]:
    """The text of a file, and the kernel in it.

    Parameters
    ----------
    scheduled_mod : a module whose `main` has its loops bound to blocks and threads; its parameters
        are named as the kernel's.
    kernel : the resolved source kernel. The emitted one has the same parameters in the same order,
        also those that the scheduled program no longer reads.
    target : what the module is lowered for.
    title : the language and the devices, for the comment at the top.

    Raises
    ------
    EmitError XP4001 : the schedule makes several kernels, or a construct has no form.
    """
    lowered = device_function(scheduled_mod, target)
    function = prefetched(pipelined(lowered, language.shared_bytes))
    printer = SimtPrinter(language, function, kernel)
    body = printer.body()
    name = entry_name(kernel)
    launch = Launch(grid=function.grid, block=function.block, shared_bytes=function.shared_bytes)
    aligned = [t.name for t in kernel.tensors if t.name in printer.moved_as_vectors]
    grid = f"({', '.join(map(str, launch.grid))})"
    attrs = scheduled_mod["main"].attrs
    conditions = [str(one) for one in (attrs.get(CONDITIONS_ATTRIBUTE) if attrs else None) or ()]
    kernel_text = _kernel_text(name, kernel, function, body, language)
    parts = [
        banner(kernel, title, f"grid {grid}, block {launch.block}", scheduled_mod)
        + (
            f"// Arrays at multiples of {VECTOR_BYTES} bytes: {', '.join(aligned)}.\n"
            * bool(aligned)
        ),
        _includes(language, "\n".join([*printer.helpers.values(), kernel_text]))
        + language.fragment_head * bool(printer.fragments),
        *printer.helpers.values(),
        kernel_text,
        _launcher_text(name, kernel, launch, language, aligned=aligned, conditions=conditions),
    ]
    text = "\n".join(parts)
    filename = name + SUFFIX_OF[language.prefix]
    emitted = Kernel(
        text, language.prefix, name, kernel.params, launch, filename=filename, sizes=kernel.sizes
    )
    return text, emitted


def _includes(language: SimtLanguage, code: str) -> str:
    """Headers that the code needs, and no others."""
    types = language.dialect.types
    headers = [language.header]
    if re.search(r"\bu?int\d+_t\b", code):
        headers.append("cstdint")
    headers += [
        header
        for dtype, header in language.type_headers.items()
        if re.search(rf"\b{types[dtype]}\b", code)
    ]
    return "".join(f"#include <{header}>\n" for header in headers)


def _kernel_text(
    name: str, kernel: Kernel, function: DeviceFunction, body: list[str], language: SimtLanguage
) -> str:
    threads = math.prod(function.block)
    # Smaller blocks need no help, and larger ones would have too few registers.
    resident = language.resident_blocks if 128 <= threads <= 256 else 0
    bounds = f"{threads}, {resident}" if resident else f"{threads}"
    head = f'extern "C" __global__ void __launch_bounds__({bounds})'
    formal = signature(kernel, language.dialect)
    if function.shared_bytes:
        body = [
            f"{INDENT}extern __shared__ __align__(128) unsigned char {DYNAMIC}[];",
            *body,
        ]
    return "\n".join([head, f"{name}({formal}) {{", *body, "}", ""])


def _launcher_text(
    name: str,
    kernel: Kernel,
    launch: Launch,
    language: SimtLanguage,
    *,
    aligned: Sequence[str],
    conditions: Sequence[str],
) -> str:
    """A host function that starts the kernel on a stream.

    It does not where an array lies unevenly, or a condition on sizes is not met.
    """
    dialect, prefix = language.dialect, language.prefix
    formal = signature(kernel, dialect, restrict=False)
    grid = ", ".join(in_c(str(extent)) for extent in launch.grid)
    block = ", ".join(str(extent) for extent in launch.block)
    refuse = f"return {prefix}ErrorInvalidValue;"
    check = [f"{INDENT}if (!({condition})) {refuse}" for condition in conditions]
    if aligned:
        addresses = " | ".join(f"(size_t){name}" for name in aligned)
        both = addresses if len(aligned) == 1 else f"({addresses})"
        check.append(f"{INDENT}if ({both} % {VECTOR_BYTES} != 0) {refuse}")
    if launch.shared_bytes > STATIC_SHARED:
        # More than this is on request.
        attribute = f"{prefix}FuncAttributeMaxDynamicSharedMemorySize"
        check += [
            f"{INDENT}const {prefix}Error_t refused =",
            f"{INDENT * 3}{prefix}FuncSetAttribute({name}, {attribute}, {launch.shared_bytes});",
            f"{INDENT}if (refused != {prefix}Success) return refused;",
        ]
    return "\n".join(
        [
            f'extern "C" {prefix}Error_t launch_{name}({formal}, {prefix}Stream_t stream) {{',
            *check,
            f"{INDENT}{name}<<<dim3({grid}), dim3({block}), {launch.shared_bytes}, stream>>>"
            f"({arguments(kernel)});",
            f"{INDENT}return {prefix}GetLastError();",
            "}",
            "",
        ]
    )


def _in_vectors(body: tirx.Stmt) -> set[tvm.ir.Var]:
    """The buffers that loops over vectors read or write."""
    found: set[tvm.ir.Var] = set()
    loops: list[tirx.For] = []
    tvm_ffi.structural_walk(body, [(tirx.For, loops.append)])
    for loop in loops:
        if loop.kind == tirx.ForKind.VECTORIZED:
            stores: list[tirx.BufferStore] = []
            loads: list[tvm.ir.TensorLoad] = []
            tvm_ffi.structural_walk(
                loop.body, [(tirx.BufferStore, stores.append), (tvm.ir.TensorLoad, loads.append)]
            )
            found |= {store.buffer for store in stores} | {load.source for load in loads}
    return found
