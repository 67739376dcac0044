"""Each workload has a layout, with reasons; which one it is can be told from what was done."""

from __future__ import annotations

from dataclasses import fields

import pytest

from cidbus.actors.cache.columns import BUILT_IN, HOT, Columns
from cidbus.actors.cache.index.layout import Layout
from cidbus.actors.cache.optimize.observed import Observed
from cidbus.actors.cache.optimize.question import Filtered, Question
from cidbus.actors.cache.optimize.usage import detect
from cidbus.actors.cache.optimize.workload import PROFILES, WorkloadType, layout_for

from .small_index import DAY_S, NOW_S, SmallIndex

STATIC = {column.name for column in BUILT_IN if column.kind == "static"}


@pytest.mark.parametrize("workload", WorkloadType)
def test_every_choice_of_a_workload_is_about_the_layout_and_says_why(workload):
    for choice in PROFILES[workload].choices:
        assert choice.field in {each.name for each in fields(Layout)}
        assert choice.reason
        assert choice.effect
        assert "\n" not in choice.reason


@pytest.mark.parametrize("workload", WorkloadType)
def test_a_layout_names_only_columns_that_live_in_runs(workload):
    layout = layout_for(workload)
    for names in (layout.dictionary, layout.resident, layout.indexes, layout.cold):
        assert set(names) <= STATIC


def test_the_value_of_a_workload_is_its_documented_name():
    assert WorkloadType.READ_HEAVY == "read_heavy"
    assert [str(workload) for workload in WorkloadType] == [
        "read_heavy", "write_heavy", "analytical", "mixed", "time_series", "metadata", "cid_focused",
    ]  # fmt: skip


def test_a_layout_leaves_out_columns_that_are_not_there():
    layout = layout_for(WorkloadType.METADATA, columns=["cid", "mimetype"])
    assert layout.resident == ("mimetype",)
    assert layout.indexes == ()


def test_a_layout_leaves_cold_columns_cold():
    layout = layout_for(WorkloadType.METADATA, Layout(cold=("filename",)))
    assert layout.cold == ("filename",)
    assert "filename" not in layout.resident
    assert "filename" not in layout.indexes


def test_no_workload_indexes_what_changes_in_place():
    assert not set(layout_for(WorkloadType.TIME_SERIES).indexes) & set(HOT)


def test_small_row_groups_read_less_for_one_row(table, tmp_path):
    decoded = {}
    for workload in (WorkloadType.CID_FOCUSED, WorkloadType.ANALYTICAL):
        folder = tmp_path / workload
        folder.mkdir()
        index = SmallIndex(table, folder, layout_for(workload))
        decoded[workload] = index.layout.row_group_rows
        assert index.get("cid-00000123")["filename"] == table.column("filename")[123].as_py()
    assert decoded[WorkloadType.CID_FOCUSED] <= 1024 < decoded[WorkloadType.ANALYTICAL]


def test_an_analytical_layout_scans_fewer_row_groups_and_takes_fewer_bytes(table, tmp_path):
    groups, sizes = {}, {}
    for workload in (WorkloadType.CID_FOCUSED, WorkloadType.ANALYTICAL):
        folder = tmp_path / workload
        folder.mkdir()
        index = SmallIndex(table, folder, layout_for(workload))
        index.segment.column("filename")
        groups[workload] = len(index.segment.groups_read)
        sizes[workload] = index.stats()["total_size_bytes"]
    assert groups[WorkloadType.ANALYTICAL] == 1
    assert groups[WorkloadType.CID_FOCUSED] == 40
    assert sizes[WorkloadType.ANALYTICAL] < 0.8 * sizes[WorkloadType.CID_FOCUSED]


# ---- which one it is ------------------------------------------------------------------------------------


def by_mimetype():
    return Question((Filtered("mimetype"),), selected=("cid",))


def grouped():
    return Question(grouped_by=("mimetype",), aggregated=("size_bytes",))


def by_time():
    return Question((Filtered("added_timestamp", "range"),), sorted_by=("added_timestamp",))


def by_size():
    return Question((Filtered("size_bytes", "range"),))


@pytest.mark.parametrize(
    ("workload", "points", "questions", "writes"),
    [
        ("write_heavy", 5, [by_size] * 5, 90),
        ("cid_focused", 95, [by_size] * 5, 5),
        ("analytical", 10, [grouped] * 30 + [by_size] * 10, 5),
        ("time_series", 10, [by_time] * 30 + [by_size] * 10, 5),
        ("metadata", 10, [by_mimetype] * 30 + [by_size] * 10, 5),
        ("read_heavy", 40, [by_size] * 40, 5),
        ("mixed", 30, [by_size] * 30, 40),
    ],
)
def test_a_workload_is_detected_from_what_was_done(workload, points, questions, writes):
    observed = Observed()
    observed.note_points(points, at_s=NOW_S)
    for question in questions:
        observed.note(question(), at_s=NOW_S)
    for _ in range(writes):
        observed.note_write(1, at_s=NOW_S)
    found = detect(observed.usage(NOW_S))
    assert found.workload == workload
    assert found.clear == (workload != "mixed")


def test_one_large_import_does_not_make_an_index_write_heavy():
    observed = Observed()
    observed.note_write(1_000_000, at_s=NOW_S)
    observed.note_points(50, at_s=NOW_S)
    assert detect(observed.usage(NOW_S)).workload == WorkloadType.CID_FOCUSED


def test_little_use_says_nothing():
    observed = Observed()
    observed.note_points(5, at_s=NOW_S)
    assert not detect(observed.usage(NOW_S)).clear
    assert not detect(Observed().usage(NOW_S)).clear


def test_a_new_use_replaces_an_old_one_in_time():
    observed = Observed(half_life_s=DAY_S)
    for _ in range(1000):
        observed.note_write(1, at_s=NOW_S)
    assert detect(observed.usage(NOW_S)).workload == WorkloadType.WRITE_HEAVY
    observed.note_points(100, at_s=NOW_S + 20 * DAY_S)
    assert detect(observed.usage(NOW_S + 20 * DAY_S)).workload == WorkloadType.CID_FOCUSED


def test_all_columns_of_the_profiles_exist():
    names = Columns().names
    for profile in PROFILES.values():
        for choice in profile.choices:
            if isinstance(choice.value, tuple):
                assert set(choice.value) <= set(names)
