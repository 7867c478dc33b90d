"""Sixty-four bytes at once: what compiled loops ask of a stretch of bytes in a few instructions.

numba has no vectors of bytes; LLVM has, and makes of them what the processor offers (AVX-512, AVX2, SSE, NEON). A set
of bytes becomes a question to 64 bytes, whose answer is the bits of one integer: bit i tells of the byte at `at + i`.
So a loop steps from one byte that matters to the next, instead of over all of them (Langdale and Lemire, "Parsing
gigabytes of JSON per second", 2019).

    is_break = mask_of("\\n")
    found = is_break(buffer, at)
    while found:
        ... at + lowest(found) ...
        found &= found - np.uint64(1)

Nothing here checks bounds: whoever asks has seen that `at + LANES <= len(buffer)`.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from batch_jobs.prepare.compiling import compiled

LANES = 64
BYTE, WORD, VECTOR = ir.IntType(8), ir.IntType(64), ir.VectorType(ir.IntType(8), LANES)


def mask_of(ranges: str) -> Callable[..., Any]:
    """A compiled question `(buffer, at) -> uint64`: which of 64 bytes are in the set. `ranges` names its bytes (as
    Latin-1 does), `a-z` a range of them; a `-` that is meant stands last."""
    bounds = _bounds(ranges)

    @intrinsic
    def mask(_, buffer, at):  # type: ignore[no-untyped-def]  # numba's own shape
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            vector = builder.load(_place(context, builder, signature.args[0], arguments, VECTOR), align=1)
            return builder.bitcast(_is_in(builder, vector, bounds), WORD)

        return types.uint64(buffer, at), generate

    return mask


def mask_and_lower(ranges: str) -> Callable[..., Any]:
    """A compiled step `(buffer, at, lowered, to) -> uint64`: as `mask_of`; and 64 bytes of `lowered`, from `to` on,
    become those bytes with A-Z in lower case, and 0 where a byte is not in the set."""
    bounds = _bounds(ranges)

    @intrinsic
    def step(_, buffer, at, lowered, to):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            vector = builder.load(_place(context, builder, signature.args[0], arguments[:2], VECTOR), align=1)
            wanted = _is_in(builder, vector, bounds)
            is_upper = builder.zext(_is_in(builder, vector, _bounds("A-Z")), VECTOR)
            lower = builder.add(vector, builder.shl(is_upper, _splat(5)))
            place = _place(context, builder, signature.args[2], arguments[2:], VECTOR)
            builder.store(builder.select(wanted, lower, _splat(0)), place, align=1)
            return builder.bitcast(wanted, WORD)

        return types.uint64(buffer, at, lowered, to), generate

    return step


@intrinsic
def copy_lanes(_, source, at, target, to):  # type: ignore[no-untyped-def]
    """Copy 64 bytes from `source[at:]` to `target[to:]`."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        vector = builder.load(_place(context, builder, signature.args[0], arguments[:2], VECTOR), align=1)
        builder.store(vector, _place(context, builder, signature.args[2], arguments[2:], VECTOR), align=1)
        return context.get_dummy_value()

    return types.void(source, at, target, to), generate


@compiled
def copy_bytes(source, start, target, to, size):
    """Copy `size` bytes from `source[start:]` to `target[to:]`, two arrays that share no memory: several times as fast
    as an assignment of slices, which numba would make byte by byte."""
    done = 0
    while done + LANES <= size:
        copy_lanes(source, start + done, target, to + done)
        done += LANES
    if done < size and size >= LANES:  # the last ones with some before them, once more
        copy_lanes(source, start + size - LANES, target, to + size - LANES)
        return
    for at in range(done, size):
        target[to + at] = source[start + at]


@intrinsic
def load_word(_, buffer, at):  # type: ignore[no-untyped-def]
    """Eight bytes from `buffer[at:]` as a uint64, the first one lowest."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.load(_place(context, builder, signature.args[0], arguments, WORD), align=1)

    return types.uint64(buffer, at), generate


@intrinsic
def lowest(_, mask):  # type: ignore[no-untyped-def]
    """Index of the lowest bit that is set; LANES where none is."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


@intrinsic
def highest(_, mask):  # type: ignore[no-untyped-def]
    """Index of the highest bit that is set; -1 where none is."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.sub(ir.Constant(WORD, LANES - 1), builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0)))

    return types.int64(types.uint64), generate


@intrinsic
def count_bits(_, mask):  # type: ignore[no-untyped-def]
    """How many bits are set."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def _bounds(ranges: str) -> list[tuple[int, int]]:
    found, at = [], 0
    while at < len(ranges):
        last = at + 2 if ranges[at + 1 : at + 2] == "-" and at + 2 < len(ranges) else at
        found.append((ord(ranges[at]), ord(ranges[last])))
        at = last + 1
    return found


def _is_in(builder: ir.IRBuilder, vector: ir.Value, bounds: list[tuple[int, int]]) -> ir.Value:
    """A bit per lane: whether its byte is within any of the bounds."""
    found = ir.Constant(ir.VectorType(ir.IntType(1), LANES), [0] * LANES)
    for low, high in bounds:
        within = builder.icmp_unsigned("<=", builder.sub(vector, _splat(low)), _splat(high - low))
        found = builder.or_(found, within)
    return found


def _splat(value: int) -> ir.Constant:
    return ir.Constant(VECTOR, [value] * LANES)


def _place(context: Any, builder: ir.IRBuilder, array: Any, arguments: Any, kind: ir.Type) -> ir.Value:
    """Pointer to `array[at]`, of (array, at), as one to a `kind`."""
    data = context.make_array(array)(context, builder, arguments[0]).data
    return builder.bitcast(builder.gep(data, [arguments[1]]), kind.as_pointer())
