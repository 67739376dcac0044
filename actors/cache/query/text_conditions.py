"""Conditions on text, lists of texts, nulls and CIDs.

Text of few values is compared once for each value of its dictionary, and then by code.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..columns import TIERS
from ..index.segment import TIER_SHIFT
from .cids import cid_key, cid_keys, first_after
from .condition import CID_NS, CODE_NS, FILE_NS, NESTED_NS, NUMBER_NS, REGEX_NS, TEXT_NS, Condition
from .deadline import Deadline
from .expression import COMPARISONS, holds_text
from .filter import Compare, Has, In, IsNull, Leaf, Matches
from .patterns import written_out
from .reading import At, Bools, Reader, rows_at, size_of, text_offsets, validity

__all__ = [
    "BeyondCondition",
    "CodesCondition",
    "FoundCondition",
    "ListCondition",
    "NullCondition",
    "TextCondition",
    "TierCondition",
]


# Patterns are the slow conditions: up to some 40 ns for each byte of text and character of the pattern.
REGEX_ROWS, REGEX_BYTES = 8192, 4 << 20
PLAIN_BYTES = 64 << 20


class CodesCondition(Condition):
    """A condition on a text column kept as a dictionary: `_passing` is its answer for each value."""

    means = "codes of a resident dictionary"
    cost_ns = CODE_NS

    def __init__(self, node: Leaf, reader: Reader) -> None:
        super().__init__(node, reader)
        self.chance = min(1.0, 2 * len(self._hits) / max(1, len(self._passing)))

    @staticmethod
    def of(leaf: Leaf, reader: Reader) -> CodesCondition | None:
        """None if the column is not at hand as a dictionary."""
        if reader.is_at_hand(leaf.column) and isinstance(reader.whole(leaf.column).type, pa.DictionaryType):
            return CodesCondition(leaf, reader)
        return None

    @cached_property
    def _passing(self) -> Bools:
        leaf = cast(Leaf, self.node)
        return _answers(leaf, self.reader.whole(leaf.column).dictionary, self.reader.deadline)

    @cached_property
    def _hits(self) -> npt.NDArray[np.int64]:
        return np.flatnonzero(self._passing)

    def mask(self, at: At) -> Bools:
        codes, valid = self.reader.codes(cast(Leaf, self.node).column, at)
        passed = self._of_codes(codes)
        return passed if valid is None else passed & valid

    def _of_codes(self, codes: npt.NDArray[Any]) -> Bools:
        if len(self._hits) == 0:
            return np.zeros(len(codes), np.bool_)
        if len(self._hits) == 1:
            return cast(Bools, codes == codes.dtype.type(self._hits[0]))
        # The code of a null may be anything.
        return self._passing.take(codes, mode="clip")


class TierCondition(CodesCondition):
    means = "flags in memory"

    @cached_property
    def _passing(self) -> Bools:
        return np.append(_answers(cast(Leaf, self.node), pa.array(TIERS), self.reader.deadline), False)

    def mask(self, at: At) -> Bools:
        return self._of_codes((self.reader.hot.flags[at] >> TIER_SHIFT) & 3)


def _answers(leaf: Leaf, texts: pa.Array, deadline: Deadline) -> Bools:
    """A condition on text for each of some texts; false for nulls."""
    parts = []
    for some in _portions(leaf, texts):
        deadline.check()
        passed = holds_text(leaf, some).fill_null(False)
        parts.append(np.asarray(passed.to_numpy(zero_copy_only=False), np.bool_))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _portions(leaf: Leaf, texts: pa.Array) -> Iterator[pa.Array]:
    """The texts so many at a time (at least one) that a portion takes some tenths of a second at most."""
    max_rows, max_bytes = len(texts), PLAIN_BYTES
    if isinstance(leaf, Matches):
        max_rows, max_bytes = REGEX_ROWS, REGEX_BYTES // max(1, written_out(leaf.pattern).size)
    ends, first = text_offsets(texts), 0
    while first < len(texts):
        # In the offsets' own type: another one would have all of them copied for each search.
        end = ends.dtype.type(min(int(ends[first]) + max_bytes, int(ends[-1])))
        full = int(np.searchsorted(ends, end, "right")) - 1
        stop = min(len(texts), max(first + 1, min(full, first + max_rows)))
        yield texts.slice(first, stop - first)
        first = stop
    if not len(texts):
        yield texts


class TextCondition(Condition):
    """A condition on text: that of a column, of a key of a map, or of the CIDs."""

    chance = 0.2

    def __init__(self, node: Leaf, reader: Reader) -> None:
        super().__init__(node, reader)
        self.cost_ns = REGEX_NS if isinstance(node, Matches) else TEXT_NS
        self.means = "text of a resident column"
        if node.column == "cid":
            self.cost_ns, self.means = self.cost_ns + CID_NS, "text of the CIDs"
        elif not reader.is_at_hand(node.column):
            self.cost_ns, self.means = self.cost_ns + FILE_NS, "read from the run"
        elif node.column not in reader.columns:
            self.means = "keys of a resident map"

    @property
    def is_at_hand(self) -> bool:
        return self.means not in {"text of the CIDs", "read from the run"}

    def mask(self, at: At) -> Bools:
        leaf = cast(Leaf, self.node)
        texts = self.reader.text(leaf.column, at)
        if not isinstance(texts.type, pa.DictionaryType):
            return _answers(leaf, texts, self.reader.deadline)
        answers = np.append(_answers(leaf, texts.dictionary, self.reader.deadline), False)
        return cast(Bools, answers[texts.indices.fill_null(len(texts.dictionary)).to_numpy()])


class ListCondition(Condition):
    """Whether a list of texts has one."""

    chance = 0.1

    def __init__(self, node: Has, reader: Reader) -> None:
        super().__init__(node, reader)
        self._leaf = node
        at_hand = reader.is_at_hand(node.column)
        self.cost_ns = NESTED_NS if at_hand else NESTED_NS + FILE_NS
        self.means = "lists of a resident column" if at_hand else "read from the run"

    def mask(self, at: At) -> Bools:
        lists = self.reader.arrow(self._leaf.column, at)
        offsets = lists.offsets.to_numpy()
        texts = lists.values.slice(offsets[0], offsets[-1] - offsets[0])
        hits = _answers(Compare(self._leaf.column, "eq", self._leaf.text), texts, self.reader.deadline)
        before = np.concatenate(([0], np.cumsum(hits)))
        offsets = offsets - offsets[0]
        passed = cast(Bools, before[offsets[1:]] > before[offsets[:-1]])
        valid = validity(lists)
        return passed if valid is None else passed & valid


class NullCondition(Condition):
    """Whether a static column, or a key of a map, is null."""

    chance = 0.1

    def __init__(self, node: IsNull, reader: Reader) -> None:
        super().__init__(node, reader)
        self._leaf = node
        at_hand = reader.is_at_hand(node.column)
        self.cost_ns = CODE_NS if at_hand else FILE_NS
        self.means = "nulls of a resident column" if at_hand else "read from the run"

    def mask(self, at: At) -> Bools:
        valid = self.reader.valid(self._leaf.column, at)
        return np.zeros(size_of(at), np.bool_) if valid is None else ~valid


class BeyondCondition(Condition):
    """The rows on one side of a CID, in the order of CIDs; pages go on so."""

    chance = 0.5

    def __init__(self, node: Compare, reader: Reader) -> None:
        super().__init__(node, reader)
        self._op, self._cid = node.op, cast(str, node.value)
        self.cost_ns = NUMBER_NS if reader.in_cid_order else CID_NS
        self.means = "key index" if reader.in_cid_order else "text of the CIDs"

    @cached_property
    def _first(self) -> int:
        return first_after(self.reader, self._cid, or_at=self._op in {"gte", "lt"})

    def mask(self, at: At) -> Bools:
        rows = rows_at(at)
        if self.reader.in_cid_order:
            return rows >= self._first if self._op in {"gt", "gte"} else rows < self._first
        keys = cid_keys(self.reader.text("cid", rows))
        passed = COMPARISONS[self._op](keys, pa.scalar(cid_key(self._cid), keys.type))
        return cast(Bools, passed.to_numpy(zero_copy_only=False))


class FoundCondition(Condition):
    """The rows of some CIDs, which the key index knows."""

    means = "key index"
    cost_ns = NUMBER_NS

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        node = self.node
        wanted = node.values if isinstance(node, In) else (cast(Compare, node).value,)
        found = [self.reader.segment.find(cast(str, cid)) for cid in wanted]
        return np.array(sorted(row for row in found if row is not None), np.int64)

    def mask(self, at: At) -> Bools:
        return np.isin(rows_at(at), self.rows, assume_unique=True)
