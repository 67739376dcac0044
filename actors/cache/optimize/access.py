"""How rows are reached: which columns get a secondary index, and how large row groups are."""

from __future__ import annotations

from .proposal import Change
from .rules import NO_PROFILE, Case, Ruled
from .statistics import ColumnFacts
from .usage import ColumnUse, Usage

__all__ = ["index_columns", "index_score", "row_group_rows"]

# The parts of an index score, and the numbers of distinct values below which it is lowered.
FILTER, SORT, GROUP = 2.0, 1.0, 0.8
FEW_VALUES, SOME_VALUES = 10, 1000
INDEX_ROW_BYTES = 4
# An index stays down to this share of the score that it takes to get one.
STAYS = 0.25
# The share of rows in a range of which nothing is known, as PostgreSQL guesses it.
UNKNOWN_RANGE = 1 / 3

ROW_GROUPS = (512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536)
# Measured (8 columns, pyarrow 26, one core): a cold row costs about 100 µs + 0.13 µs for each row of its
# group with lz4, twice as much with zstd; a scan costs 15 µs for each group of each column.
ROW_US, GROUP_ROW_US, GROUP_US = 100.0, 0.13, 15.0
# A list of rows is read from so many groups at most: limits are small, and larger answers scan.
MAX_LISTED = 100.0


def index_score(use: ColumnUse, facts: ColumnFacts, usage: Usage) -> float:
    """Filters twice, sorts once and groups 0.8 times as shares of the questions, times 0.5 for few, 0.7 for
    some and 1 for many distinct values.

    Filters count as far as an order can answer them; where none can, sorts and groups make no index either,
    as it is the filter that picks the rows.
    """
    if facts.distinct is None or use.filtered * use.ordered_share <= 0:
        return 0.0
    used = FILTER * use.filtered * use.ordered_share + SORT * use.sorted + GROUP * use.grouped
    variety = 0.5 if facts.distinct < FEW_VALUES else 0.7 if facts.distinct < SOME_VALUES else 1.0
    return usage.of_questions(used) * variety


def index_columns(case: Case) -> Ruled:
    """Columns whose filters pick few rows; those of a workload that was named stay."""
    scores = {
        name: index_score(case.usage.of_column(name), facts, case.usage)
        for name, facts in case.statistics.columns.items()
        if name not in case.layout.cold and not facts.is_nested
    }
    wanted = [name for name in case.layout.indexes if case.named and name in case.profile.indexes]
    earned = [name for name in scores if name not in wanted and _earns_index(case, name, scores[name])]
    wanted += sorted(earned, key=lambda each: (-scores[each], each))
    wanted = wanted[: case.policy.max_indexes]
    changes = [
        _index_change(case, name, scores.get(name, 0.0), name in wanted)
        for name in case.statistics.columns
        if (name in wanted) != (name in case.before.indexes)
    ]
    unknown = [name for name in case.before.indexes if name not in case.statistics and name not in wanted]
    return (*wanted, *unknown), tuple(changes)


def _earns_index(case: Case, name: str, score: float) -> bool:
    if name in case.before.indexes:  # it stays longer than it takes to get one, so as not to come and go
        enough = score > 0 and score >= STAYS * case.policy.index_score
    else:
        enough = score >= case.policy.index_score and case.usage.questions >= case.policy.min_questions
    return enough and _selectivity(case, name) <= case.policy.max_selectivity


def _selectivity(case: Case, name: str) -> float:
    """The share of the rows that its filters let through: as observed, else as if all values were alike."""
    use, facts = case.usage.of_column(name), case.statistics[name]
    if use.selectivity is not None:
        return use.selectivity
    kinds = use.kinds or {}
    equal = kinds.get("equal", 0.0) + kinds.get("in", 0.0) + kinds.get("prefix", 0.0)
    share_equal = min(equal / use.filtered, 1.0) if use.filtered > 0 else 1.0
    return share_equal / max(facts.distinct or 1, 1) + (1 - share_equal) * UNKNOWN_RANGE


def _index_change(case: Case, name: str, score: float, wanted: bool) -> Change:
    size, reason = float(INDEX_ROW_BYTES * case.rows), _index_reason(case, name, score)
    if not wanted:
        effect = f"{INDEX_ROW_BYTES} bytes a row less on disk"
        return Change("indexes", name, True, False, reason, effect, {"bytes_saved": size})
    read = _selectivity(case, name) * case.rows
    return Change(
        "indexes", name, False, True, reason,
        f"a filter reads about {read:.0f} rows instead of {case.rows}, for {INDEX_ROW_BYTES} bytes a row",
        {"rows_read_before": float(case.rows), "rows_read_after": read, "bytes_spent": size},
    )  # fmt: skip


def _index_reason(case: Case, name: str, score: float) -> str:
    use, usage = case.usage.of_column(name), case.usage
    if not use.filtered:
        had = name in case.before.indexes
        return "nobody searches by it" if had else "the workload searches by it"
    return (
        f"score {score:.2f}: {usage.of_questions(use.filtered):.0%} of the questions filter by it, "
        f"which lets {_selectivity(case, name):.2%} of the rows through"
    )


def row_group_rows(case: Case) -> Ruled:
    """The size at which the observed mix of single rows and scans takes the least time."""
    old = case.before.row_group_rows
    costs = {size: _reading_us(case, size) for size in {*ROW_GROUPS, case.layout.row_group_rows}}
    best = min(costs, key=lambda size: (costs[size], size))
    present = costs[case.layout.row_group_rows]
    if present <= 0 or costs[best] > (1 - case.policy.row_group_gain) * present:
        best = case.layout.row_group_rows
    if best == old or (case.profile != NO_PROFILE and best == case.profile.row_group_rows):
        return best, ()  # where it is the workload's own choice, that has its own reason
    before_s, after_s = _reading_us(case, old) / 1e6, costs[best] / 1e6
    change = Change(
        "row_group_rows", None, old, best,
        f"{_single_rows(case):.0f} single rows and {_scans(case):.0f} scans of columns that are not resident",
        f"{after_s:.2f} s of reading instead of {before_s:.2f} s",
        {"reading_s_before": before_s, "reading_s_after": after_s},
    )  # fmt: skip
    return best, (change,)


def _reading_us(case: Case, group_rows: int) -> float:
    decoding = 2.0 if case.layout.compression == "zstd" else 1.0
    one_row = ROW_US + decoding * GROUP_ROW_US * min(group_rows, max(case.rows, 1))
    one_scan = GROUP_US * max(case.rows / group_rows, 1.0)
    return _single_rows(case) * one_row + _scans(case) * one_scan


def _single_rows(case: Case) -> float:
    """Rows that are read for themselves: by their CID, or as one of a short list."""
    listed = case.usage.of_questions(case.usage.rows_returned)
    lists = max(case.usage.questions - case.usage.analyses, 0.0)
    return case.usage.points + lists * min(listed, MAX_LISTED)


def _scans(case: Case) -> float:
    return sum(
        case.usage.of_column(name).scanned
        for name in case.statistics.columns
        if name not in case.layout.resident and name not in case.layout.indexes
    )
