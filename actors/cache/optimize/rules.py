"""Where a column should live: the cold family, memory, a dictionary. Each rule looks at a `Case` and gives
the new value of one field of the layout with the changes that led there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..index.layout import Layout
from .proposal import Change, Policy
from .statistics import ColumnFacts, ColumnStatistics
from .usage import Usage

__all__ = [
    "Case", "Ruled", "NO_PROFILE",
    "cold_columns", "dictionary_columns", "resident_columns",
]  # fmt: skip

Ruled = tuple[Any, tuple[Change, ...]]

# A column of fewer bytes a row costs nothing where it is; a file of its own would cost more.
MIN_COLD_BYTES = 0.5
# Codes are 32 bits in memory, but a dictionary of more values is no longer one of few.
MAX_DICTIONARY = 65_536
# A dictionary must at least halve the bytes of a row group to be worth its page.
DICTIONARY_GAIN = 0.5
# A value that is only listed is taken from its row group; a scan wants the whole column.
LISTED_WEIGHT = 0.1
# A column of the workload's own choice counts as if this share of the questions scanned it.
CHOSEN_SHARE = 0.01

# What is resident stays so down to this share of what it takes to become it.
STAYS = 0.5

NO_PROFILE = Layout(dictionary=(), resident=())


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule may look at.

    Attributes:
        before: the layout that is; `layout` is what is proposed so far.
        profile: what the workload asks for, whether it was `named` or detected.
    """

    before: Layout
    layout: Layout
    usage: Usage
    statistics: ColumnStatistics
    policy: Policy
    profile: Layout = NO_PROFILE
    named: bool = False

    @property
    def rows(self) -> int:
        return self.statistics.rows


def cold_columns(case: Case) -> Ruled:
    """Columns that nobody read while the index was watched; one that is read again comes back."""
    # What was not measured, because time ran out, stays where it is.
    kept = [name for name in case.before.cold if name not in case.statistics]
    changes = []
    for name, facts in case.statistics.columns.items():
        was_cold, read = name in case.before.cold, _reading(case, name)
        is_cold = not read and (was_cold or _may_go(case, name, facts))
        if is_cold:
            kept.append(name)
        if was_cold and not is_cold:
            changes.append(Change("cold", name, True, False, read, "a row is read from one file less"))
        elif is_cold and not was_cold:
            size = _size(facts)
            changes.append(Change(
                "cold", name, False, True, _unread(case, name),
                f"{size:.1f} bytes a row leave the files that are read, for a file beside them",
                {"bytes_moved": size * case.rows},
            ))  # fmt: skip
    return tuple(kept), tuple(changes)


def _reading(case: Case, name: str) -> str:
    """Why a column counts as read; empty if it does not."""
    whole, last_s = case.usage.share(case.usage.whole_rows), case.usage.of_column(name).last_used_s
    if last_s is not None and case.usage.now_s - last_s < case.policy.cold_after_s:
        return f"it was read {_span(case.usage.now_s - last_s)} ago"
    return f"{whole:.0%} of the reads want whole rows" if whole > case.policy.whole_row_share else ""


def _unread(case: Case, name: str) -> str:
    last_s = case.usage.of_column(name).last_used_s
    idle_s = case.usage.window_s if last_s is None else case.usage.now_s - last_s
    return f"nobody has read it for {_span(idle_s)}, over {case.usage.reads:.0f} reads"


def _may_go(case: Case, name: str, facts: ColumnFacts) -> bool:
    asked_for = case.named and name in (*case.profile.indexes, *case.profile.resident)
    watched = case.usage.window_s >= case.policy.cold_after_s
    return watched and not asked_for and _size(facts) >= MIN_COLD_BYTES


def _size(facts: ColumnFacts) -> float:
    return facts.decoded_bytes if facts.stored_bytes is None else facts.stored_bytes


def dictionary_columns(case: Case) -> Ruled:
    """Texts whose dictionaries are measured to be smaller than themselves in a row group."""
    kept = [name for name in case.layout.dictionary if name not in case.statistics]
    changes = []
    for name, facts in case.statistics.columns.items():
        had = name in case.before.dictionary
        wants, reason = _wants_dictionary(case, name, facts)
        if wants:
            kept.append(name)
        if wants != had:
            ratio = _dictionary_ratio(facts, case.layout.row_group_rows)
            effect = f"{ratio:.0%} of the plain bytes of a row group, before compression"
            estimate = {"distinct": float(facts.distinct or 0), "ratio": ratio}
            changes.append(Change("dictionary", name, had, wants, reason, effect, estimate))
    return tuple(kept), tuple(changes)


def _wants_dictionary(case: Case, name: str, facts: ColumnFacts) -> tuple[bool, str]:
    if not facts.is_text:
        return False, f"its values are {facts.type}, which are as short as codes"
    if not facts.distinct:
        return name in case.layout.dictionary, "it has no values yet"
    ratio = _dictionary_ratio(facts, case.layout.row_group_rows)
    wants = facts.distinct <= MAX_DICTIONARY and ratio <= DICTIONARY_GAIN
    return wants, f"about {facts.distinct} distinct values in {facts.rows} rows"


def _dictionary_ratio(facts: ColumnFacts, row_group_rows: int) -> float:
    """Bytes of a row group with a dictionary as a share of those without."""
    rows = max(min(facts.rows, row_group_rows) * (1 - facts.null_share), 1.0)
    distinct = max(facts.distinct or 1, 1)
    width = max(facts.decoded_bytes, 5.0)  # of one value: its text and its length
    # How many of D values, alike in frequency, are seen in so many draws.
    seen = distinct * (1 - math.exp(rows * math.log1p(-1 / distinct))) if distinct > 1 else 1.0
    bits = math.ceil(math.log2(seen)) if seen > 1 else 0
    return (seen * width + rows * bits / 8) / (rows * width)


def resident_columns(case: Case) -> Ruled:
    """The columns of most use for each byte of memory, within the budget."""
    worth = {}
    for name, facts in case.statistics.columns.items():
        use = case.usage.of_column(name)
        weight = case.usage.of_questions(use.scanned) + LISTED_WEIGHT * case.usage.share(use.selected)
        weight += CHOSEN_SHARE if name in case.profile.resident else 0.0
        needed = CHOSEN_SHARE * (STAYS if name in case.before.resident else 1.0)
        empty = facts.distinct == 0 and case.rows > 0 and not case.named
        if weight >= needed and name not in case.layout.cold and not facts.is_nested and not empty:
            worth[name] = weight / max(resident_row_bytes(case.layout, name, facts), 0.1)
    kept, spent = [], 0.0
    for name in sorted(worth, key=lambda each: (-worth[each], each)):
        size = resident_row_bytes(case.layout, name, case.statistics[name]) * case.rows
        if spent + size <= case.policy.resident_bytes:
            kept.append(name)
            spent += size
    kept += [name for name in case.layout.resident if name not in case.statistics]
    changes = [
        _residence(case, name, name in kept, fits=name in kept or name not in worth)
        for name in case.statistics.columns
        if (name in kept) != (name in case.before.resident)
    ]
    return tuple(kept), tuple(changes)


def _residence(case: Case, name: str, wanted: bool, *, fits: bool) -> Change:
    use, facts = case.usage.of_column(name), case.statistics[name]
    size = resident_row_bytes(case.layout, name, facts) * case.rows
    scanned = case.usage.of_questions(use.scanned)
    reason = f"{scanned:.0%} of the questions search, sort, group or sum it"
    if wanted and scanned < CHOSEN_SHARE:
        reason = "it is listed, or the workload searches it"
    if not fits:
        reason = f"it does not fit in {case.policy.resident_bytes} bytes beside columns of more use"
    effect = (
        f"{size / 2**20:.1f} MiB of memory instead of reading its files" if wanted else "memory is given back"
    )
    return Change("resident", name, not wanted, wanted, reason, effect, {"resident_bytes": size})


def resident_row_bytes(layout: Layout, name: str, facts: ColumnFacts) -> float:
    """Bytes a row of a decoded column: codes for one with a dictionary, else its values."""
    return 4.0 if name in layout.dictionary and facts.is_text else facts.decoded_bytes


def _span(seconds: float) -> str:
    for unit, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} seconds"
