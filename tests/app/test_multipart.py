"""A tree as a form: what python-multipart reads of it is what was on disk."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

import pytest
from python_multipart.multipart import MultipartParser, parse_options_header

from cidbus.client.files import PIECE_BYTES
from cidbus.client.multipart import Tree
from cidbus.schemas.errors import BadRequest

DIRECTORY, SYMLINK, FILE = "application/x-directory", "application/symlink", "application/octet-stream"

Part = tuple[str, str, bytes]


async def parts_of(tree: Tree) -> list[Part]:
    """(path, type, body) of each part."""
    found: list[Part] = []
    state: dict[str, bytes] = {}

    def header_end() -> None:
        state[state.pop("name").decode().lower()] = state.pop("value")

    def part_end() -> None:
        _, options = parse_options_header(state["content-disposition"])
        path = unquote(options[b"filename"].decode("ascii"))
        found.append((path, state["content-type"].decode(), state.get("body", b"")))
        state.clear()

    def keep(key: str):
        return lambda data, start, end: state.update({key: state.get(key, b"") + data[start:end]})

    _, options = parse_options_header(tree.content_type)
    parser = MultipartParser(
        options[b"boundary"],
        {
            "on_header_field": keep("name"),
            "on_header_value": keep("value"),
            "on_header_end": header_end,
            "on_part_data": keep("body"),
            "on_part_end": part_end,
        },
    )
    async for piece in tree:
        parser.write(piece)
    parser.finalize()
    return found


@pytest.fixture
def top(tmp_path: Path) -> Path:
    folder = tmp_path / "top"
    folder.mkdir()
    return folder


async def test_entries_come_parents_first_and_sorted(top: Path):
    (top / "b").mkdir()
    (top / "b" / "x").write_text("x")
    (top / "a").write_text("a")
    (top / "b.txt").write_text("t")
    (top / "link").symlink_to("b")
    assert await parts_of(Tree([top])) == [
        ("top", DIRECTORY, b""),
        ("top/a", FILE, b"a"),
        ("top/b", DIRECTORY, b""),
        ("top/b/x", FILE, b"x"),
        ("top/b.txt", FILE, b"t"),
        ("top/link", SYMLINK, b"b"),
    ]


async def test_names_of_any_characters_come_back(top: Path):
    names = ['quote".txt', "percent%41", "new\nline", "größe €", "a+b c", "back\\slash", "semi;colon=", "'"]
    for name in names:
        (top / name).write_text(name)
    found = await parts_of(Tree([top]))
    assert sorted(path for path, *_ in found[1:]) == sorted(f"top/{name}" for name in names)


async def test_a_file_that_looks_like_a_boundary_stays_a_file(top: Path):
    tree = Tree([top])
    boundary = tree.content_type.partition("=")[2]
    (top / "file").write_text(f"\r\n--{boundary[:-1]}\r\n\r\n----\r\n")
    assert (await parts_of(tree))[1] == ("top/file", FILE, f"\r\n--{boundary[:-1]}\r\n\r\n----\r\n".encode())


async def test_links_are_sent_as_links_and_never_followed(top: Path, tmp_path: Path):
    (tmp_path / "secret").write_text("secret")
    (top / "out").symlink_to(tmp_path / "secret")
    (top / "loop").symlink_to(".")
    (top / "broken").symlink_to("nowhere")
    found = await parts_of(Tree([top]))
    assert [kind for _, kind, _ in found[1:]] == [SYMLINK] * 3
    assert found[1:][0] == ("top/broken", SYMLINK, b"nowhere")
    assert found[1:][2] == ("top/out", SYMLINK, os.fsencode(tmp_path / "secret"))


async def test_a_given_path_that_is_a_link_is_what_it_leads_to(top: Path, tmp_path: Path):
    (top / "a").write_text("a")
    (tmp_path / "other").symlink_to("top")
    assert await parts_of(Tree([tmp_path / "other"])) == [
        ("other", DIRECTORY, b""),
        ("other/a", FILE, b"a"),
    ]


async def test_hidden_entries_are_left_out_unless_asked_for(top: Path):
    (top / ".git").mkdir()
    (top / ".git" / "config").write_text("c")
    assert await parts_of(Tree([top])) == [("top", DIRECTORY, b"")]
    assert [path for path, *_ in await parts_of(Tree([top], hidden=True))] == [
        "top",
        "top/.git",
        "top/.git/config",
    ]


async def test_a_large_file_is_sent_in_bounded_pieces(top: Path):
    content = os.urandom(3 * PIECE_BYTES + 1)
    (top / "large").write_bytes(content)
    tree = Tree([top])
    assert max([len(piece) async for piece in tree]) <= 2 * PIECE_BYTES
    assert (await parts_of(tree))[1] == ("top/large", FILE, content)
    assert tree.size_bytes() == len(content)


async def test_the_current_folder_is_sent_under_its_own_name(top: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(top)
    assert await parts_of(Tree([Path()])) == [("top", DIRECTORY, b"")]


async def test_a_pipe_cannot_be_sent(top: Path):
    os.mkfifo(top / "pipe")
    with pytest.raises(BadRequest, match="neither a file, a directory nor a symbolic link"):
        await parts_of(Tree([top]))


async def test_a_tree_without_a_name_cannot_be_sent():
    with pytest.raises(BadRequest, match="no name"):
        Tree([Path("/")])
