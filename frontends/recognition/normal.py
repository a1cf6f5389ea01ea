"""Terms without the traces of how work was divided: steps written out, steps taken apart.

x[2 k] max x[2 k + 1], over k < 32      ->      x[k], over k < 64
f(0) + Sum{k < 7} f(k + 1)              ->      Sum{k < 8} f(k)
y[8 i + j] = x[8 i + j]                 ->      y[i] = x[i]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from . import terms
from .affine import Affine, Axis
from .arguments import converted, place_or
from .building import Piece
from .fusion import axes_of_reduction, fused
from .guards import ENDLESS, OPERATION, plain, unguarded
from .products import factors_of, joined_exponentials, product
from .terms import Apply, Indirect, Node, Read, Reduce

_REDUCTION = {operation: op for op, operation in OPERATION.items()}


def normalised(pieces: Sequence[Piece], endless: float = ENDLESS) -> tuple[Piece, ...]:
    """The pieces with what belongs together joined, and with as few axes as can be.

    Constants of at least `endless` are taken for infinity in maxima and minima.
    """
    merged = [
        replace(
            piece,
            value=_merged(piece.value, endless),
            guard=None if piece.guard is None else _merged(piece.guard, endless),
        )
        for piece in pieces
    ]
    return _last([fused(piece, endless) for piece in _joined(merged)])


def _last(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Of pieces that store to the same places, the last."""
    kept: dict[str, Piece] = {}
    for place, piece in enumerate(pieces):
        extents = [axis.extent for axis in piece.axes]
        order = {axis: Affine.of(Axis(f"s{n}", axis.extent)) for n, axis in enumerate(piece.axes)}
        where = terms.affine_key(piece.address.substitute(order))
        # A guarded piece may leave what was stored before.
        key = (
            f"{place}"
            if piece.guard is not None or piece.ordered
            else f"{piece.name} {extents} {where}"
        )
        kept[key] = piece
    return tuple(kept.values())


def _merged(node: Node, endless: float) -> Node:
    node = plain(node) if node.dtype == "bool" else node
    if isinstance(node, Apply):
        joins = node.name in _REDUCTION
        args = [
            _merged(arg, endless) for arg in (_operands(node, node.name) if joins else node.args)
        ]
        if joins:
            flat = [each for arg in args for each in _operands(arg, node.name)]
            flat = [each for each in flat if not _is_end(node.name, each, endless)] or flat[:1]
            return _combined(node.name, flat, node.dtype, least=4)
        whole = terms.apply(node.name, args, node.dtype)
        if node.name == "cast":
            return converted(args[0], node.dtype) or whole
        return place_or(whole, endless) or whole
    if isinstance(node, Reduce):
        body = _merged(node.body, endless)
        if isinstance(body, Apply) and body.name == OPERATION[node.op]:
            body = _combined(body.name, _operands(body, body.name), body.dtype, least=2)
        return unguarded(*_flattened(node, body), endless)
    return node


def _flattened(node: Reduce, body: Node) -> tuple[Reduce, Node]:
    """A sum of parts, each a sum of its own with a factor, as one sum, where that has no more axes.

    Sum{i} exp(m[i] - t) * Sum{j} exp(x[8 i + j] - m[i])   ->   Sum{i, j} exp(x[8 i + j] - t)
    """
    if node.op != "sum":
        return node, body
    factors = factors_of(body)
    for place, (part, inverse) in enumerate(factors):
        if inverse or not isinstance(part, Reduce) or part.op != "sum":
            continue
        others = [*factors[:place], *factors[place + 1 :]]
        if not others or any(other.axes & set(part.over) for other, _ in others):
            continue
        whole = joined_exponentials(product([*factors_of(part.body), *others], body.dtype))
        flat = replace(node, over=(*node.over, *part.over), body=whole)
        if axes_of_reduction(flat) <= len(node.over):
            return flat, whole
    return node, body


def _is_end(name: str, value: Node, endless: float) -> bool:
    return name in ("maximum", "minimum") and terms.is_end(name, value, endless)


def _operands(node: Node, name: str) -> list[Node]:
    if isinstance(node, Apply) and node.name == name:
        return [each for arg in node.args for each in _operands(arg, name)]
    return [node]


def _combined(name: str, args: Sequence[Node], dtype: str, least: int) -> Node:
    """`args` under a commutative operation, those that are steps of one reduction made one."""
    rest = list(args)
    found = _joined_steps(_REDUCTION[name], rest, least)
    while found is not None:
        rest = found
        found = _joined_steps(_REDUCTION[name], rest, least)
    whole = rest[0]
    for arg in rest[1:]:
        whole = terms.apply(name, [whole, arg], dtype)
    return whole


def _joined_steps(op: str, args: Sequence[Node], least: int) -> list[Node] | None:
    for join in (_interleaved, _with_peeled, _absorbed):
        found = join(op, args)
        if found is not None:
            return found
    return _rerolled(op, args, least)


def _absorbed(op: str, args: Sequence[Node]) -> list[Node] | None:
    """max(Max{k} x[k], x[0])   ->   Max{k} x[k]"""
    if op not in ("max", "min"):
        return None
    for arg in args:
        if isinstance(arg, Reduce) and arg.op == op and len(arg.over) == 1:
            (axis,) = arg.over
            ends = [
                terms.substitute(arg.body, {axis: Affine({}, step)}).key
                for step in (0, axis.extent - 1)
            ]
            rest = [other for other in args if other is arg or other.key not in ends]
            if len(rest) < len(args):
                return rest
    return None


def _interleaved(op: str, args: Sequence[Node]) -> list[Node] | None:
    """Sum{k < 3} x[2 k] + Sum{k < 2} x[2 k + 1]   ->   Sum{k < 5} x[k]"""
    sums = [arg for arg in args if isinstance(arg, Reduce) and arg.op == op and len(arg.over) == 1]
    for first in sums:
        (axis,) = first.over
        alike: list[tuple[tuple[int, ...], int, Reduce]] = []
        skeleton, factors = _skeleton(first.body)[0], _factors(first.body, axis)
        for other in sums:
            body = terms.substitute(other.body, {other.over[0]: Affine.of(axis)})
            if _skeleton(body)[0] == skeleton:
                alike.append((_skeleton(body)[1], other.over[0].extent, other))
        alike.sort(key=lambda one: one[0])
        steps = _steps([one[0] for one in alike]) if len(alike) > 1 else None
        extents = [one[1] for one in alike]
        if (
            steps is None
            or [step * len(alike) for step in steps] != factors
            or extents != sorted(extents, reverse=True)
            or extents[0] - extents[-1] > 1
        ):
            continue
        least = alike[0][2]
        longer = Axis(axis.name + "z", sum(extents))
        base = terms.substitute(least.body, {least.over[0]: Affine()})
        whole = terms.reduce(op, [longer], _stepped(base, longer, iter(steps)), least.name)
        gone = {id(one[2]) for one in alike}
        return [whole, *(arg for arg in args if id(arg) not in gone)]
    return None


def _factors(node: Node, axis: Axis) -> list[int]:
    """The factors of an axis in a term's reads, in the order of `_skeleton`."""
    found: list[int] = []

    def visit(one: Node) -> Node | None:
        if isinstance(one, Read):
            found.append(one.address.factor(axis))
        return None

    terms.rebuild(node, visit)
    return found


def _with_peeled(op: str, args: Sequence[Node]) -> list[Node] | None:
    for place, arg in enumerate(args):
        if not isinstance(arg, Reduce) or arg.op != op:
            continue
        others = {other.key: number for number, other in enumerate(args) if number != place}
        for axis in arg.over:
            longer = Axis(axis.name + "p", axis.extent + 1)
            over = [longer if each is axis else each for each in arg.over]
            inner = [each for each in arg.over if each is not axis]
            for step, shift in ((-1, -1), (axis.extent, 0)):
                one = terms.substitute(arg.body, {axis: Affine({}, step)})
                number = others.get(terms.reduce(op, inner, one, arg.name).key)
                if number is not None:
                    moved = terms.substitute(arg.body, {axis: Affine({longer: 1}, shift)})
                    whole = terms.reduce(op, over, moved, arg.name)
                    return [whole, *(a for n, a in enumerate(args) if n not in (place, number))]
    return None


def _rerolled(op: str, args: Sequence[Node], least: int) -> list[Node] | None:
    """The first arguments that differ in constant steps alone as one reduction."""
    for start, first in enumerate(args):
        if isinstance(first, terms.Const):
            continue
        alike = [start]
        skeleton, _ = _skeleton(first)
        for number in range(start + 1, len(args)):
            if _skeleton(args[number])[0] == skeleton:
                alike.append(number)
        enough = 2 if isinstance(first, Reduce) and first.op == op else least
        if len(alike) < enough:
            continue
        chosen = sorted(alike, key=lambda number: _skeleton(args[number])[1])
        steps = _steps([_skeleton(args[number])[1] for number in chosen])
        if steps is None:
            continue
        axis = Axis(f"u{len(alike)}.{start}.{len(skeleton)}", len(alike))
        body = _stepped(args[chosen[0]], axis, iter(steps))
        whole = terms.reduce(op, [axis], body, getattr(first, "name", ""))
        return [whole, *(arg for number, arg in enumerate(args) if number not in alike)]
    return None


def _steps(constants: Sequence[tuple[int, ...]]) -> tuple[int, ...] | None:
    """The step of each constant from one row to the next, if it is the same throughout."""
    steps = tuple(b - a for a, b in zip(constants[0], constants[1], strict=True))
    for one, two in pairwise(constants):
        if tuple(b - a for a, b in zip(one, two, strict=True)) != steps:
            return None
    return steps if any(steps) else None


def _skeleton(node: Node) -> tuple[str, tuple[int, ...]]:
    """A term's key without the constants of its addresses, and these."""
    constants: list[int] = []

    def bare(one: Node) -> Node | None:
        if isinstance(one, Read):
            constants.append(one.address.const)
            return replace(one, address=Affine(one.address.factors, 0))
        return None

    return terms.rebuild(node, bare).key, tuple(constants)


def _stepped(node: Node, axis: Axis, steps: Iterator[int]) -> Node:
    def moved(one: Node) -> Node | None:
        if isinstance(one, Read):
            return replace(one, address=one.address + Affine.of(axis) * next(steps))
        return None

    return terms.rebuild(node, moved)


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces of one output that differ in constant steps alone as one piece."""
    done: list[Piece] = []
    rest = list(pieces)
    while rest:
        first = rest.pop(0)
        group = [first]
        for other in list(rest):
            same = _renamed(other, first)
            if same is not None:
                group.append(same)
                rest.remove(other)
        done += _one_piece(group)
    return done


def _renamed(piece: Piece, like: Piece) -> Piece | None:
    """`piece` over the axes of `like`, if it then differs from it in constants alone."""
    extents = [axis.extent for axis in piece.axes]
    if piece.name != like.name or extents != [axis.extent for axis in like.axes]:
        return None
    if piece.guard is not None or like.guard is not None or piece.ordered or like.ordered:
        return None
    axes = dict(zip(piece.axes, map(Affine.of, like.axes), strict=True))
    address = piece.address.substitute(axes)
    value = terms.substitute(piece.value, axes)
    if address.factors != like.address.factors or _skeleton(value)[0] != _skeleton(like.value)[0]:
        return None
    return replace(piece, axes=like.axes, address=address, value=value)


def _one_piece(group: Sequence[Piece]) -> list[Piece]:
    group = sorted(group, key=lambda piece: piece.address.const)
    rows = [(piece.address.const, *_skeleton(piece.value)[1]) for piece in group]
    steps = _steps(rows) if len(rows) > 1 else None
    if steps is None or steps[0] == 0:
        return list(group)
    first = group[0]
    axis = Axis(f"part{len(group)}.{len(first.axes)}", len(group))
    return [
        replace(
            first,
            axes=(*first.axes, axis),
            address=first.address + Affine.of(axis) * steps[0],
            value=_stepped(first.value, axis, iter(steps[1:])),
        )
    ]


def reads_of(piece: Piece) -> list[Read]:
    """All reads of a piece, those in addresses and guards included."""
    found: list[Read] = []
    waiting: list[Node] = [piece.value] if piece.guard is None else [piece.value, piece.guard]
    waiting += [term.value for term in piece.address.factors if isinstance(term, Indirect)]
    while waiting:
        for one in terms.walk(waiting.pop()):
            if isinstance(one, Read):
                found.append(one)
                waiting += [index.value for index in one.indices]
    return found


def signature(piece: Piece) -> str:
    """A text that two pieces share where they store the same at the same places."""
    axes = (*piece.axes, *piece.ordered)
    names = {axis: Axis(f"s{place}", axis.extent) for place, axis in enumerate(axes)}
    values = {axis: Affine.of(named) for axis, named in names.items()}
    extents = [axis.extent for axis in piece.axes], [axis.extent for axis in piece.ordered]
    guard = "" if piece.guard is None else terms.substitute(piece.guard, values).key
    address = terms.affine_key(terms.address_at(piece.address, values))
    return f"{extents} {address} {piece.op} {guard} {terms.substitute(piece.value, values).key}"
