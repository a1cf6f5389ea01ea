"""What a kernel is to us: its text, its dialect, its parameters and its launch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .errors import ReadError
from .extents import Extent, checked, is_text, names_of, value_of

if TYPE_CHECKING:
    from .dialects.bang import Mode

Dialect = Literal["cuda", "hip", "bang", "vnni"]
Intent = Literal["in", "out", "inout"]

DIALECTS: tuple[Dialect, ...] = ("cuda", "hip", "bang", "vnni")
SUFFIXES: dict[str, Dialect] = {
    ".cu": "cuda",
    ".cuh": "cuda",
    ".hip": "hip",
    ".mlu": "bang",
    ".c": "vnni",
    ".cc": "vnni",
    ".cpp": "vnni",
}
DTYPES: tuple[str, ...] = (
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "bool",
)


@dataclass(frozen=True)
class Tensor:
    """A pointer parameter. `shape` counts elements; `None` is inferred from the accesses.

    An extent is a number, or an expression in the kernel's sizes: `("m", "2 * k")`.
    A `symbol` is a variable of the file that the host fills, and no parameter. `of` names the
    parameter of class type that it is a field of, `at` how many bytes it lies behind the start of
    that.
    """

    name: str
    shape: tuple[Extent, ...] | None = None
    dtype: str = "float32"
    intent: Intent = "in"
    symbol: bool = False
    of: str = ""
    at: int = 0

    def __post_init__(self) -> None:
        _check_dtype(self.name, self.dtype)
        if self.intent not in ("in", "out", "inout"):
            raise ReadError(
                "XP1014",
                f"tensor {self.name!r} has intent {self.intent!r}",
                hint="an intent is 'in', 'out' or 'inout'",
            )
        if self.shape is not None:
            object.__setattr__(self, "shape", tuple(map(checked, self.shape)))
            if any(not is_text(extent) and extent <= 0 for extent in self.shape or ()):
                raise ReadError(
                    "XP1014",
                    f"tensor {self.name!r} has shape {self.shape}: extents must be positive",
                )

    @property
    def size(self) -> int:
        """The number of elements. The shape must be known and without names."""
        if self.shape is None or any(map(is_text, self.shape)):
            raise ReadError("XP1015", f"the shape of {self.name!r} is not known")
        size = 1
        for extent in self.shape:
            size *= extent
        return size

    @property
    def written(self) -> bool:
        return self.intent != "in"


@dataclass(frozen=True)
class Scalar:
    """A parameter passed by value: bound to `value`, or symbolic where `value` is `None`.

    `equals` is an expression in the kernel's sizes that gives the value, such as `"m * k"`.
    `of` names the parameter of class type that it is a field of, `at` how many bytes it lies behind
    the start of that.
    """

    name: str
    dtype: str = "int32"
    value: int | float | None = None
    of: str = ""
    equals: str = ""
    at: int = 0

    def __post_init__(self) -> None:
        _check_dtype(self.name, self.dtype)
        if isinstance(self.value, str):
            raise ReadError(
                "XP1014",
                f"scalar {self.name!r} has the value {self.value!r}, which is no number",
                hint=f"an expression in sizes goes by Scalar(..., equals={self.value!r})",
            )
        if self.equals:
            checked(self.equals)


Param = Tensor | Scalar


@dataclass(frozen=True)
class Launch:
    """How many threads or tasks run the kernel.

    CUDA and HIP: `grid` blocks of `block` threads, each 1 to 3 extents (x first), and
    `shared_bytes` of dynamic shared memory. BANG: `tasks` (x, y, z) and the job's `kind`
    (`block`, `union1`, `union2`, `union4`). Kernels in C have no launch.

    The grid's extents may be expressions in the kernel's sizes: `("(n + 255) / 256",)`.
    """

    grid: tuple[Extent, ...] = ()
    block: tuple[int, ...] = ()
    shared_bytes: Extent = 0
    tasks: tuple[int, ...] = ()
    kind: str = "block"

    def __post_init__(self) -> None:
        for name in ("grid", "block", "tasks"):
            extents = tuple(map(checked, getattr(self, name)))
            numbers = [extent for extent in extents if not is_text(extent)]
            if name != "grid" and len(numbers) < len(extents):
                raise ReadError(
                    "XP1011",
                    f"{name}={extents}: only a grid may depend on sizes",
                    hint="give numbers, for example block=(256,)",
                )
            if len(extents) > 3 or any(extent <= 0 for extent in numbers):
                raise ReadError(
                    "XP1011",
                    f"{name}={extents}: a launch has one to three positive extents",
                    hint="give them x first, for example grid=(64,), block=(16, 16)",
                )
            object.__setattr__(self, name, extents)


@dataclass(frozen=True)
class Size:
    """A name that extents are expressions of, with the values that it may take.

    These are the multiples of `multiple` from `least` to `most`, both included; `None` is as far as
    32-bit indices reach.
    """

    name: str
    least: int = 1
    most: int | None = None
    multiple: int = 1

    def __post_init__(self) -> None:
        beyond = self.most is not None and self.most < self.least
        if not self.name.isidentifier() or self.least < 1 or self.multiple < 1 or beyond:
            raise ReadError(
                "XP1014",
                f"{self}: a size is a name with a range from at least 1",
                hint="as in Size('n', 1, 4096), or Size('n', multiple=32)",
            )


@dataclass(frozen=True)
class Kernel:
    """A kernel as written, and what its text alone does not say.

    `entry` may be left out where the file has one kernel; a template's instance is named in full,
    `"softmax<256>"`. `params` and `launch` may be left out where a host wrapper in the file says
    them; `args` then gives the wrapper's integer arguments. A lifted kernel has all of them.

    `sizes` are names that stay symbolic: those in the expressions of shapes and grid, scalars, or
    arguments of the wrapper. What is not listed has the widest range.

    `mode` is how BANG C is meant: by the hardware's rules, or as informal public kernels are, in
    which weights are rows of a matrix (`lenient`).
    """

    source: str
    dialect: Dialect
    entry: str | None = None
    params: tuple[Param, ...] | None = None
    launch: Launch | None = None
    args: tuple[tuple[str, int | float], ...] = ()
    filename: str = "<source>"
    mode: Mode = "strict"
    sizes: tuple[Size, ...] = ()

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise ReadError(
                "XP1012",
                f"{self.dialect!r} is no dialect",
                hint=f"one of {', '.join(DIALECTS)}",
            )
        if self.params is not None:
            object.__setattr__(self, "params", tuple(self.params))
            names = [param.name for param in self.params or ()]
            for name in names:
                if names.count(name) > 1:
                    raise ReadError("XP1014", f"two parameters are named {name!r}")

    @classmethod
    def from_source(
        cls,
        source: str,
        dialect: Dialect,
        *,
        entry: str | None = None,
        args: Mapping[str, int | float] | None = None,
        filename: str = "<source>",
    ) -> Kernel:
        """The kernel of `source` with launch, shapes and intents read from its host wrapper.

        `args` are the wrapper's arguments by name; those left out come from a `main` or from
        constants in the file. Raises `ReadError` where the host code does not say enough.
        """
        from xpiler_tvm.frontends import resolve

        kernel = cls(
            source, dialect, entry, args=tuple(sorted((args or {}).items())), filename=filename
        )
        return resolve(kernel)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        dialect: Dialect | None = None,
        entry: str | None = None,
        params: tuple[Param, ...] | None = None,
        launch: Launch | None = None,
        args: Mapping[str, int | float] | None = None,
    ) -> Kernel:
        """The kernel in a file, its dialect taken from the suffix unless given."""
        path = Path(path)
        if dialect is None:
            if path.suffix not in SUFFIXES:
                raise ReadError(
                    "XP1012",
                    f"{path.name}: no dialect goes by the suffix {path.suffix!r}",
                    hint="name it with --dialect, or dialect=...",
                )
            dialect = SUFFIXES[path.suffix]
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise ReadError("XP1001", f"{path} cannot be read: {reason}") from None
        kernel = cls(
            source,
            dialect,
            entry,
            params,
            launch,
            args=tuple(sorted((args or {}).items())),
            filename=str(path),
        )
        return kernel

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The pointer parameters, in order."""
        return tuple(param for param in self.params or () if isinstance(param, Tensor))

    @property
    def scalars(self) -> tuple[Scalar, ...]:
        """The parameters passed by value, in order."""
        return tuple(param for param in self.params or () if isinstance(param, Scalar))

    def _repr_html_(self) -> str:
        from .display import kernel_page

        return kernel_page(self)

    @property
    def size_names(self) -> tuple[str, ...]:
        """The names that stay symbolic, in order: none where every extent is a number.

        Integer scalars without a value are sizes too as soon as there is one.
        """
        extents: list[Extent] = list(self.launch.grid) if self.launch else []
        extents += [self.launch.shared_bytes] if self.launch else []
        for param in self.params or ():
            extents += (param.shape or ()) if isinstance(param, Tensor) else [param.equals or 0]
        found = [name for extent in extents for name in names_of(extent)]
        found += [size.name for size in self.sizes]
        free = [
            scalar.name
            for scalar in self.scalars
            if found and scalar.value is None and not scalar.equals and "int" in scalar.dtype
        ]
        return tuple(dict.fromkeys([*free, *found]))

    def at(self, sizes: Mapping[str, int]) -> Kernel:
        """The kernel where the sizes have these values.

        Raises `ReadError` XP1014 where one is missing, or makes an extent less than 1.
        """
        params = tuple(_param_at(param, sizes) for param in self.params or ())
        launch = self.launch
        if launch is not None:
            grid = tuple(value_of(extent, sizes) for extent in launch.grid)
            launch = replace(launch, grid=grid, shared_bytes=value_of(launch.shared_bytes, sizes))
        given = None if self.params is None else params
        return replace(self, params=given, launch=launch, sizes=())

    def free_standing(self) -> Kernel:
        """The kernel with all that it takes as parameters of their own, as it is emitted."""
        return self.with_params(
            tuple(
                replace(param, symbol=False, of="", at=0)
                if isinstance(param, Tensor)
                else replace(param, of="", at=0)
                for param in self.params or ()
            )
        )

    def with_params(self, params: tuple[Param, ...]) -> Kernel:
        return replace(self, params=params)

    def with_macros(self, values: Mapping[str, int | float | str]) -> Kernel:
        """The kernel with other values in its `#define NAME value` lines.

        Raises `ReadError` XP1014 where the file has no such line.
        """
        source = self.source
        for name, value in values.items():
            line = re.compile(
                rf"^([ \t]*#[ \t]*define[ \t]+{re.escape(name)})(?![\w(]).*$", re.MULTILINE
            )
            source, count = line.subn(partial(_with_value, value), source)
            if count == 0:
                raise ReadError(
                    "XP1014",
                    f"{self.filename} defines no macro {name!r}",
                    hint=f"a line like `#define {name} {value}` is what takes the value",
                )
        return replace(self, source=source)


def _param_at(param: Param, sizes: Mapping[str, int]) -> Param:
    """A parameter where the sizes have these values."""
    if isinstance(param, Tensor):
        shape = None if param.shape is None else [value_of(one, sizes) for one in param.shape]
        return replace(param, shape=None if shape is None else tuple(shape))
    if param.equals:
        return replace(param, value=value_of(param.equals, sizes), equals="")
    is_size = param.value is None and param.name in sizes
    return replace(param, value=sizes[param.name]) if is_size else param


def _with_value(value: int | float | str, found: re.Match[str]) -> str:
    return f"{found[1]} {value}"


def _check_dtype(name: str, dtype: str) -> None:
    if dtype not in DTYPES:
        raise ReadError(
            "XP1014", f"parameter {name!r} has dtype {dtype!r}", hint=f"one of {', '.join(DTYPES)}"
        )
