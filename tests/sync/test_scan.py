"""What of a directory goes into the tree, what is left alone, and what is refused before anything happens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cidbus.schemas.errors import BadRequest
from cidbus.sync.scan import Excludes, Scan, draft_name, leads_out


def paths_of(top: Path, *patterns: str) -> set[str]:
    return {entry.path for entry in Scan(top, "/there", Excludes(patterns))}


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for path in ("build/out.bin", "docs/build/a.html", "docs/b.html", "cache/x", "src/cache", "src/m.pyc"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "gone"),
    [
        ("*.pyc", {"src/m.pyc"}),
        ("/build", {"build", "build/out.bin"}),
        ("build", {"build", "build/out.bin", "docs/build", "docs/build/a.html"}),
        ("cache/", {"cache", "cache/x"}),
        ("docs/*.html", {"docs/b.html", "docs/build/a.html"}),
    ],
)
def test_a_pattern_leaves_alone_what_it_says(top: Path, pattern: str, gone: set[str]):
    assert paths_of(top) - paths_of(top, pattern) == gone


def test_what_is_below_an_excluded_directory_is_excluded():
    excludes = Excludes(("/a/b", "x/"))
    assert excludes.has("a/b/c/d", is_directory=False)
    assert excludes.has("k/x/d", is_directory=False)
    assert not excludes.has("k/x", is_directory=False)


def test_files_on_their_way_are_left_alone_and_told(top: Path):
    draft = draft_name("0" * 16, "1" * 8)
    (top / "docs" / draft).touch()
    (top / "src" / draft).mkdir()
    (top / "src" / f"{draft}.txt").touch()
    scan = Scan(top, "/there", Excludes())
    found = {entry.path for entry in scan}
    assert scan.drafts == [f"docs/{draft}"]
    assert {f"src/{draft}", f"src/{draft}.txt"} < found
    assert f"docs/{draft}" not in found
    assert Excludes().has(f"docs/{draft}", is_directory=False)


def test_everything_that_the_tree_cannot_hold_is_named_at_once(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "out").symlink_to("../elsewhere")
    (tmp_path / "absolute").symlink_to("/etc")
    (tmp_path / "inside").symlink_to("fine")
    os.close(os.open(os.fsencode(tmp_path) + b"/not-\xff-text", os.O_CREAT))
    (tmp_path / "fine").touch()
    scan = Scan(tmp_path, "/there", Excludes())
    assert {entry.path for entry in scan} == {"fine", "inside"}
    with pytest.raises(BadRequest) as refused:
        scan.refuse()
    for name in ("pipe", "out", "absolute", "not-"):
        assert name in refused.value.message


def test_a_path_that_is_too_deep_there_is_refused(tmp_path: Path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    scan = Scan(tmp_path, "/" + "/".join("x" * 255), Excludes())
    assert [entry.path for entry in scan] == ["a"]
    with pytest.raises(BadRequest, match="'a/b'"):
        scan.refuse()


@pytest.mark.parametrize(
    ("path", "target", "out"),
    [
        ("a/link", "../b", False),
        ("a/link", "../../b", True),
        ("link", "a/../../b", True),
        ("link", "..x", False),
        ("a/b/link", "../..", False),
        ("link", "/a", True),
    ],
)
def test_a_link_leads_out_as_it_reads(path: str, target: str, out: bool):
    assert leads_out(path, target) is out
