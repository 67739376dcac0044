"""`add`: Kubo's own CIDs and lines, whatever is added and however."""

from __future__ import annotations

import os

import aiohttp
import pytest

from .conftest import B_CID, HELLO, HELLO_CID, HELLO_RAW, SUB_CID, TREE, TREE_CID, form

ZEROS = bytes(600_000)


async def test_a_file_is_added_under_the_cid_that_kubo_gives_it(rpc):
    assert await rpc.add({"a.txt": HELLO}) == [{"Name": "a.txt", "Hash": HELLO_CID, "Size": "20"}]
    assert (await rpc("pin/ls", HELLO_CID)).json["Keys"][HELLO_CID]["Type"] == "recursive"


async def test_a_tree_is_told_with_its_root_last(rpc):
    assert await rpc.add(TREE) == [
        {"Name": "d/a.txt", "Hash": HELLO_CID, "Size": "20"},
        {"Name": "d/sub/b", "Hash": B_CID, "Size": "9"},
        {"Name": "d/sub", "Hash": SUB_CID, "Size": "56"},
        {"Name": "d", "Hash": TREE_CID, "Size": "172"},
    ]


async def test_wrapping_adds_a_nameless_root(rpc):
    root = "QmcmqF8GjYkGvnw6oBrGLcBzU1XfuWPy4kZDWwrQqLPNa4"
    lines = await rpc.add(TREE, wrap_with_directory=True)
    assert lines[-1] == {"Name": "", "Hash": root, "Size": "220"}
    assert (await rpc("pin/ls", type="recursive")).json["Keys"].keys() == {root}


async def test_top_entries_stay_apart_and_each_is_pinned(rpc):
    lines = await rpc.add(TREE | {"top": b"b"})
    assert [line["Name"] for line in lines] == ["d/a.txt", "d/sub/b", "top", "d/sub", "d"]
    assert (await rpc("pin/ls", type="recursive")).json["Keys"].keys() == {TREE_CID, B_CID}


async def test_a_file_without_a_name_goes_by_its_cid(rpc):
    data = aiohttp.MultipartWriter("form-data")
    part = data.append(HELLO)
    part.set_content_disposition("form-data", name="anything")
    answer = await rpc.post("add", data=data)
    assert answer.lines == [{"Name": HELLO_CID, "Hash": HELLO_CID, "Size": "20"}]


async def test_directories_and_links_are_read_from_the_form(rpc):
    data = form({"d/file": b"b"})
    for path, kind, content in (("d/empty", "x-directory", b""), ("d/link", "symlink", b"file")):
        part = data.append(content, {"Content-Type": f"application/{kind}"})
        part.set_content_disposition("form-data", name="file", filename=path)
    lines = (await rpc.post("add", data=data)).lines
    assert {line["Name"] for line in lines} == {"d/file", "d/empty", "d/link", "d"}
    links = (await rpc("ls", lines[-1]["Hash"])).json["Objects"][0]["Links"]
    assert [(link["Name"], link["Type"], link["Target"]) for link in links] == [
        ("empty", 1, ""),
        ("file", 2, ""),
        ("link", 4, "file"),
    ]


async def test_a_plus_in_a_name_is_a_space_as_kubos_client_writes_it(rpc):
    boundary = b"--b\r\nContent-Disposition: form-data; name=f; filename=a+b%2B\r\n\r\nb\r\n--b--\r\n"
    url = f"{rpc.url}/api/v0/add"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    async with rpc.session.post(url, data=boundary, headers=headers) as response:
        assert (await response.json())["Name"] == "a b+"


@pytest.mark.parametrize(
    ("options", "cid", "size"),
    [
        ({}, "QmRGw3jDTE2Bu51tEYn2JoyQq3ApDaJm8DpRxM68WqK7fU", 600194),
        ({"raw_leaves": True}, "QmScR7DNBuv6TFYQCicgtu3yXwxVzUKrCt98pbkUCw6Ngn", 600158),
        ({"chunker": "size-100"}, "QmSUodmQaBWXE99qvj2AjUMFagmbnhRHaxNcfiCdao2YWJ", 914001),
        ({"max_file_links": 2}, "QmcQNohjWNuHfekMsoFGTGvyZknee9yMnAi9tNcEu8toJX", 600306),
        ({"hash": "blake3"}, "bafyb4ic44zjw5kzinpkhnsagqbhnkuohkomcax5phrttx2qxnqczqw4bwe", 600158),
        (
            {"hash": "sha2-512"},
            "bafybgqhoclbbmmm3rrj5y2z6ohzs5o54ybaleinc54mkkamvp2hiwc44w6jcebeipsmxszkwtf32eaekdea4frkwvflk6gzp2qrretqhsknts",
            600254,
        ),
        ({"only_hash": True}, "QmRGw3jDTE2Bu51tEYn2JoyQq3ApDaJm8DpRxM68WqK7fU", 600194),
        ({"cid_base": "base58btc"}, "zdj7WYNBRAHJhVnmnKoyHjeBBoyTFNFw7itzYDxd9UoLGt1qQ", 600194),
    ],
)
async def test_options_give_the_cid_that_kubo_gives(rpc, options, cid, size):
    assert await rpc.add({"z": ZEROS}, **options) == [{"Name": "z", "Hash": cid, "Size": str(size)}]


async def test_cid_version_1_has_raw_leaves(rpc):
    assert (await rpc.add({"a": HELLO}, cid_version=1))[0]["Hash"] == HELLO_RAW


async def test_only_the_hash_stores_and_pins_nothing(rpc):
    lines = await rpc.add(TREE, only_hash=True)
    assert lines[-1]["Hash"] == TREE_CID
    assert (await rpc("refs/local")).lines == []
    assert (await rpc("pin/ls")).json == {}


async def test_a_pin_may_be_named_or_left_out(rpc):
    await rpc.add({"a": HELLO}, pin_name="greeting")
    assert (await rpc("pin/ls", names=True)).json["Keys"][HELLO_CID]["Name"] == "greeting"
    await rpc.add({"b": b"b"}, pin=False)
    assert (await rpc("pin/ls", B_CID)).error == f"path '{B_CID}' is not pinned"
    answer = await rpc("add", files={"c": b"c"}, pin=False, pin_name="x")
    assert answer.error == "pin-name option requires pin to be set"


async def test_progress_tells_each_files_bytes(rpc):
    assert await rpc.add({"a.txt": HELLO}, progress=True) == [
        {"Name": "a.txt", "Bytes": 12},
        {"Name": "a.txt", "Hash": HELLO_CID, "Size": "20"},
    ]


async def test_silence_is_kept(rpc):
    assert await rpc.add({"a.txt": HELLO}, silent=True) == []
    assert (await rpc("cat", HELLO_CID)).body == HELLO


@pytest.mark.parametrize("wrap", [False, True])
async def test_a_tree_of_more_entries_than_a_message_holds_is_told_whole(rpc, wrap):
    files = {f"d{n % 3}/f{n:04}": b"%d" % n for n in range(1200)} | {"top": b"top"}
    lines = await rpc.add(files, wrap_with_directory=wrap)
    names = [line["Name"] for line in lines]
    assert sorted(names) == sorted([*files, "d0", "d1", "d2"] + [""] * wrap)
    if wrap:
        assert names[-1] == ""
    pinned = (await rpc("pin/ls", type="recursive")).json["Keys"].keys()
    roots = [line["Hash"] for line in lines if line["Name"] in ("d0", "d1", "d2", "top")]
    assert pinned == ({lines[-1]["Hash"]} if wrap else set(roots))


async def test_a_long_list_cannot_be_told_of_what_is_not_stored(rpc):
    files = {f"d/{n}": b"" for n in range(1001)}
    assert "cannot be listed" in (await rpc("add", files=files, only_hash=True)).error
    assert await rpc.add(files, only_hash=True, silent=True) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"chunker": "size-0"}, "chunker size must be greater than 0"),
        (
            {"chunker": "size-9999999"},
            "chunker parameters may not exceed the maximum chunk size of 1048576",
        ),
        ({"chunker": "foo"}, "unrecognized chunker option: foo"),
        ({"chunker": "rabin-1-2-3"}, "chunker: rabin is not offered, only size-<bytes>"),
        ({"chunker": "buzhash"}, "chunker: buzhash is not offered, only size-<bytes>"),
        ({"cid_version": 2}, "unknown CID version: 2"),
        ({"hash": "nope"}, 'unrecognized hash function: "nope"'),
        ({"hash": "identity"}, "hash: identity is not computed here"),
        ({"hash": "sha2-512", "cid_version": 0}, "hash: CIDv0 only supports sha2-256"),
        ({"trickle": True}, "trickle: files are laid out balanced, not as trickle DAGs"),
        ({"nocopy": True}, "nocopy: blocks are kept in this node's own packs, not in files beside them"),
        ({"inline": True}, "inline: blocks are not put inside their CIDs"),
        ({"mode": 420}, "mode: modes are not stored"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(rpc, options, words):
    assert (await rpc("add", files={"a": HELLO}, **options)).error == words
    assert (await rpc("refs/local")).lines == []


async def test_options_that_are_refused_may_be_given_as_false(rpc):
    assert await rpc.add({"a": HELLO}, trickle=False, inline=False, nocopy=False, preserve_mode=False)


async def test_a_form_without_files_or_with_two_of_a_name_is_refused(rpc):
    boundary = b"--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    async with rpc.session.post(f"{rpc.url}/api/v0/add", data=boundary, headers=headers) as response:
        assert response.status == 400
        assert "no file" in (await response.json())["Message"]
    data = form({"a": b"1"})
    part = data.append(b"2")
    part.set_content_disposition("form-data", name="f", filename="a")
    assert "two files" in (await rpc.post("add", data=data)).error


async def test_a_large_file_is_streamed_and_comes_back(rpc):
    content = os.urandom(9_000_001)
    root = (await rpc.add({"big": content}))[0]["Hash"]
    assert (await rpc("cat", root)).body == content
