"""cat, get, ls, refs and resolve."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from .conftest import ABSENT, B_CID, HELLO, HELLO_CID, NOT_HERE, SUB_CID, TREE, TREE_CID

NO_LINK = f'no link named "nope" under {TREE_CID}'


@pytest.fixture
async def tree(rpc) -> str:
    return (await rpc.add(TREE))[-1]["Hash"]


@pytest.mark.parametrize(
    "path",
    [
        HELLO_CID,
        f"{TREE_CID}/a.txt",
        f"/ipfs/{TREE_CID}/a.txt",
        f"ipfs://{TREE_CID}/a.txt",
        f"/ipfs/{TREE_CID}/a.txt/",
    ],
)
async def test_content_paths_may_be_written_in_every_way(rpc, tree, path):
    assert (await rpc("cat", path)).body == HELLO


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"offset": 3, "length": 2}, b"lo"),
        ({"offset": 7}, b"IPFS!"),
        ({"length": 5}, b"Hello"),
        ({"length": 0}, b""),
        ({"offset": 12}, b""),
        ({"offset": 1000}, b""),
    ],
)
async def test_cat_reads_a_range(rpc, tree, options, expected):
    assert (await rpc("cat", HELLO_CID, **options)).body == expected


async def test_cat_reads_files_one_after_the_other_with_one_range_over_all(rpc, tree):
    assert (await rpc("cat", HELLO_CID, B_CID, HELLO_CID)).body == HELLO + b"b" + HELLO
    assert (await rpc("cat", HELLO_CID, B_CID, HELLO_CID, offset=11, length=4)).body == b"!bHe"
    assert (await rpc("cat", HELLO_CID, B_CID, offset=13)).body == b""


@pytest.mark.parametrize(
    ("args", "options", "words"),
    [
        ([ABSENT], {}, NOT_HERE),
        ([TREE_CID], {}, "this dag node is a directory"),
        ([f"{TREE_CID}/nope"], {}, NO_LINK),
        (["nonsense"], {}, "invalid path \"nonsense\": invalid cid: unknown multibase prefix 'n'"),
        (["/ipfs/"], {}, 'invalid path "/ipfs/": path does not have enough components'),
        (["/bzz/x"], {}, 'invalid path "/bzz/x": unknown namespace "bzz"'),
        ([HELLO_CID], {"offset": -1}, "cannot specify negative offset"),
        ([HELLO_CID], {"length": -1}, "cannot specify negative length"),
    ],
)
async def test_what_cannot_be_read_is_told_in_kubos_words(rpc, tree, args, options, words):
    answer = await rpc("cat", *args, **options)
    assert answer.status == 500
    assert answer.error == words


async def test_get_is_a_tar_archive(rpc, tree):
    names = [TREE_CID, f"{TREE_CID}/a.txt", f"{TREE_CID}/sub", f"{TREE_CID}/sub/b"]
    with tarfile.open(fileobj=io.BytesIO((await rpc("get", TREE_CID)).body)) as archive:
        assert archive.getnames() == names
        file = archive.extractfile(f"{TREE_CID}/a.txt")
        assert file is not None
        assert file.read() == HELLO


async def test_get_compresses(rpc, tree):
    packed = (await rpc("get", TREE_CID, archive=True, compress=True, compression_level=9)).body
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as archive:
        assert archive.getnames()[0] == TREE_CID
    assert gzip.decompress((await rpc("get", f"{TREE_CID}/a.txt", compress=True)).body) == HELLO


async def test_get_refuses_what_cannot_be(rpc, tree):
    assert (await rpc("get", ABSENT)).error == NOT_HERE
    assert "between 1 and 9" in (await rpc("get", TREE_CID, compress=True, compression_level=10)).error
    assert (await rpc("get", TREE_CID, compress=True)).error == "this dag node is a directory"


async def test_ls_is_one_document(rpc, tree):
    link = {"Target": "", "Mode": 0, "ModTime": "0001-01-01T00:00:00Z"}
    assert (await rpc("ls", TREE_CID)).json == {
        "Objects": [
            {
                "Hash": TREE_CID,
                "Links": [
                    {"Name": "a.txt", "Hash": HELLO_CID, "Size": 12, "Type": 2} | link,
                    {"Name": "sub", "Hash": SUB_CID, "Size": 0, "Type": 1} | link,
                ],
            }
        ]
    }


async def test_ls_lists_several_paths_and_files_as_empty(rpc, tree):
    objects = (await rpc("ls", TREE_CID, HELLO_CID, f"{TREE_CID}/sub")).json["Objects"]
    assert [(o["Hash"], [link["Name"] for link in o["Links"]]) for o in objects] == [
        (TREE_CID, ["a.txt", "sub"]),
        (HELLO_CID, []),
        (f"{TREE_CID}/sub", ["b"]),
    ]


async def test_ls_streams_a_line_for_each_link(rpc, tree):
    lines = (await rpc("ls", TREE_CID, stream=True)).lines
    assert [line["Objects"][0]["Links"][0]["Name"] for line in lines] == ["a.txt", "sub"]


async def test_ls_of_what_is_not_there_is_an_error(rpc, tree):
    assert (await rpc("ls", ABSENT)).error == NOT_HERE
    assert (await rpc("ls", f"{TREE_CID}/nope")).error == NO_LINK


async def test_refs_are_lines_in_the_format_asked_for(rpc, tree):
    assert (await rpc("refs", TREE_CID)).lines == [{"Ref": HELLO_CID, "Err": ""}, {"Ref": SUB_CID, "Err": ""}]
    edges = [line["Ref"] for line in (await rpc("refs", TREE_CID, recursive=True, edges=True)).lines]
    assert edges == [f"{TREE_CID} -> {HELLO_CID}", f"{TREE_CID} -> {SUB_CID}", f"{SUB_CID} -> {B_CID}"]
    named = (await rpc("refs", TREE_CID, format="<linkname> in <src>")).lines
    assert [line["Ref"] for line in named] == [f"a.txt in {TREE_CID}", f"sub in {TREE_CID}"]
    assert len((await rpc("refs", TREE_CID, recursive=True, max_depth=1)).lines) == 2
    assert "not allowed" in (await rpc("refs", TREE_CID, edges=True, format="<src>")).error
    assert (await rpc("refs", ABSENT)).error == NOT_HERE


@pytest.mark.parametrize("command", ["refs/local", "repo/ls"])
async def test_every_block_is_listed(rpc, tree, command):
    refs = {line["Ref"] for line in (await rpc(command)).lines}
    assert refs == {TREE_CID, SUB_CID, HELLO_CID, B_CID}


async def test_cids_are_written_in_the_base_asked_for(rpc, tree):
    line = (await rpc("refs", TREE_CID, cid_base="base32")).lines[0]
    assert line["Ref"].startswith("bafybei")
    line = (await rpc("refs", TREE_CID, cid_base="base16", upgrade_cidv0_in_output=False)).lines[0]
    assert line["Ref"] == HELLO_CID
    line = (await rpc("refs", TREE_CID, upgrade_cidv0_in_output=True)).lines[0]
    assert line["Ref"].startswith("bafybei")
    answer = await rpc("refs", TREE_CID, cid_base="base99")
    assert answer.status == 400


async def test_resolve_follows_a_path(rpc, tree):
    assert (await rpc("resolve", f"/ipfs/{TREE_CID}/sub/b")).json == {"Path": f"/ipfs/{B_CID}"}
    assert (await rpc("resolve", TREE_CID)).json == {"Path": f"/ipfs/{TREE_CID}"}
    assert (await rpc("resolve", f"{TREE_CID}/nope")).error == NO_LINK


async def test_names_are_followed_wherever_paths_stand(rpc, tree):
    name = (await rpc("name/publish", f"/ipfs/{TREE_CID}")).json["Name"]
    assert (await rpc("cat", f"/ipns/{name}/a.txt")).body == HELLO
    assert (await rpc("resolve", f"/ipns/{name}/sub/b")).json == {"Path": f"/ipfs/{B_CID}"}
    once = await rpc("resolve", f"/ipns/{name}/sub", recursive=False)
    assert once.json == {"Path": f"/ipfs/{TREE_CID}/sub"}
