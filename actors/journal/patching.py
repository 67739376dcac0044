"""Groups of operations applied to a tree in messages that the bus takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ...schemas.errors import BusError
from ...schemas.tree import MAX_GROUPS, AnyOperation, GroupResult, Outcome, TreePatch, TreePatched
from .parts import Trees

__all__ = ["Done", "Keep", "apply_groups", "size_of"]

# Of one message, its answer included: `MAX_BODY_BYTES` of the bus less room for what is around.
MESSAGE_BYTES = 900 * 1024
OUTCOME_BYTES = 320

Group = Sequence[AnyOperation]


def size_of(operation: AnyOperation) -> int:
    """Bytes that an operation takes on the bus, there or back, whichever is more."""
    size = len(operation.to_wire())
    told = len(getattr(operation, "destination", operation.path)) + len(operation.path)
    return max(size, OUTCOME_BYTES + 3 * told)


@dataclass
class Done:
    """A group after it was tried: what it has done, or why nothing of it was."""

    outcomes: list[Outcome] = field(default_factory=list)
    error: BusError | None = None


@dataclass
class Keep:
    """The name under which every tree on the way is kept, so that no collection takes it, and the last."""

    name: str
    for_s: float | None = None


async def apply_groups(
    trees: Trees, root: str, groups: Sequence[Group], keep: Keep, *, release: list[str] | None = None
) -> tuple[str, list[Done]]:
    """The tree that groups make of a tree, each whole or not at all; what is in `release` is let go with it.

    Raises what `ipfs.tree.patch` raises beside the errors of groups.
    """
    done: list[Done] = []
    kept = None
    for few in _messages(groups):
        if len(few) == 1 and _size(few[0]) > MESSAGE_BYTES:
            root, kept, one = await _apply_large(trees, root, few[0], keep)
            done.append(one)
            continue
        patched = await _patch(trees, root, few, keep, release)
        release = None
        root = kept = patched.root
        done += [_done(result) for result in patched.results]
    if kept != root:
        await _patch(trees, root, [], keep, release)
    return root, done


async def _apply_large(trees: Trees, root: str, group: Group, keep: Keep) -> tuple[str, str, Done]:
    """A group in several messages: the tree after it, the tree that is kept now, and what it has done."""
    outcomes: list[Outcome] = []
    at = root
    for part in _parts(group):
        patched = await _patch(trees, at, [part], keep)
        at = patched.root
        one = _done(patched.results[0])
        if one.error is not None:
            return root, at, one
        outcomes += one.outcomes
    return at, at, Done(outcomes)


async def _patch(
    trees: Trees, root: str, groups: Sequence[Group], keep: Keep, release: list[str] | None = None
) -> TreePatched:
    # Operations were checked when they came in; checking thousands again would cost more than all else.
    ask = TreePatch.model_construct(
        root=root,
        groups=[list(group) for group in groups],
        keep=keep.name,
        keep_s=keep.for_s,
        release=release,
    )
    return await trees.patch(ask)


def _done(result: GroupResult) -> Done:
    if result.error is None:
        return Done(result.outcomes)
    error = BusError.from_wire(result.error)
    if result.failed is not None:
        error.details.setdefault("operation", result.failed)
    return Done(error=error)


def _size(group: Group) -> int:
    return sum(map(size_of, group))


def _messages(groups: Sequence[Group]) -> Iterator[list[Group]]:
    """The groups in order, as many at a time as a message takes; one that is too large is alone."""
    few: list[Group] = []
    size = 0
    for group in groups:
        more = _size(group)
        if few and (size + more > MESSAGE_BYTES or len(few) >= MAX_GROUPS):
            yield few
            few, size = [], 0
        few.append(group)
        size += more
    if few:
        yield few


def _parts(group: Group) -> Iterator[list[AnyOperation]]:
    """The operations of a large group, as many at a time as a message takes."""
    for few in _messages([[operation] for operation in group]):
        yield [operation for one in few for operation in one]
