"""The contract: files and directories, added, read, listed and told of, the same at every back end."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from pathlib import Path

import pytest

from cidbus.actors.ipfs.remote.upload import FilePart
from cidbus.schemas import ipfs, subjects
from cidbus.schemas.cid import DAG_PB
from cidbus.schemas.errors import BadRequest, NotAFile, NotFound, NotSupported, UnsatisfiableRange

from .places import absent

pytestmark = pytest.mark.asyncio(loop_scope="session")

GOLDEN = json.loads((Path(__file__).parent.parent / "data" / "golden_cids.json").read_text())["inputs"]
PROFILES = ["unixfs-v0-2015", "unixfs-v1-2025"]
SIZES = {"empty": 0, "k256": 262144, "k256p1": 262145, "m1": 1 << 20, "m1p1": (1 << 20) + 1}
DIRECTORIES = {"d5000_flat": "%04d", "d5000_hamt": "file-%05d-abcdefghij.txt"}
NO_CID = "zz-no-cid"


def pattern(size: int) -> bytes:
    period = bytes((i * 31 + 7) % 251 for i in range(251))
    return (period * (size // 251 + 1))[:size]


def tree(fresh) -> list[FilePart]:
    return [
        FilePart("top/a.txt", b"a" + fresh()),
        FilePart("top/empty", kind="directory"),
        FilePart("top/link", b"a.txt", "symlink"),
        FilePart("top/sub/large", fresh("large", 600_000)),
    ]


# ---- add ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_text_has_the_golden_cid(place, profile):
    added = await place.add("Hello, IPFS!", profile=profile)
    golden = GOLDEN["hello"][profile]
    assert (added.cid, added.dag_size_bytes) == (golden["cid"], golden["dag_size"])
    assert (added.content_size_bytes, added.profile, added.pinned) == (12, profile, True)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", SIZES)
async def test_a_file_has_the_golden_cid(place, name, profile):
    added = await place.add(pattern(SIZES[name]), profile=profile)
    golden = GOLDEN[name][profile]
    assert (added.cid, added.dag_size_bytes) == (golden["cid"], golden["dag_size"])
    assert added.content_size_bytes == SIZES[name]


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", DIRECTORIES)
async def test_a_directory_has_the_golden_cid(place, name, profile):
    files = [FilePart(f"d/{DIRECTORIES[name] % number}", b"entry %d\n" % number) for number in range(5000)]
    added = await place.add_tree(*files, profile=profile)
    golden = GOLDEN[name][profile]
    assert (added.cid, added.dag_size_bytes) == (golden["cid"], golden["dag_size"])
    assert (added.entry_count, len(added.entries)) == (5000, 1000)


async def test_bytes_may_be_inside_the_request(place, fresh):
    inside = await place.bus.upload(subjects.ADD, ipfs.AddRequest(data=fresh()))
    assert inside.cid == (await place.add(fresh())).cid
    assert await place.cat(inside.cid) == fresh()


async def test_a_filename_comes_back_and_changes_no_cid(place, fresh):
    named = await place.add(fresh(), filename="report.txt")
    assert named.filename == "report.txt"
    assert named.cid == (await place.add(fresh())).cid


async def test_a_wrapped_file_stands_under_its_name(place, fresh):
    added = await place.add(fresh(), filename="report.txt", wrap=True)
    assert await place.cat(added.cid, "report.txt") == fresh()
    assert [entry.path for entry in added.entries] == ["report.txt"]
    assert (added.content_size_bytes, added.entry_count) == (len(fresh()), 1)


async def test_wrapping_needs_a_name(place, fresh):
    with pytest.raises(BadRequest) as refused:
        await place.add(fresh(), wrap=True)
    assert refused.value.field == "filename"


@pytest.mark.parametrize("name", ["..", "a/b", "."])
async def test_a_name_that_is_no_name_is_refused(place, fresh, name):
    with pytest.raises(BadRequest) as refused:
        await place.add(fresh(), filename=name, wrap=True)
    assert refused.value.field == "filename"


async def test_a_tree_comes_as_a_form(place, fresh):
    added = await place.add_tree(*tree(fresh))
    assert added.filename == "top"
    entries = {entry.path: entry for entry in added.entries}
    assert set(entries) == {"top/a.txt", "top/link", "top/sub/large"}
    assert entries["top/sub/large"].size_bytes == 600_000
    assert [entries["top/link"].type, entries["top/a.txt"].type] == ["symlink", "file"]
    assert added.entry_count == 3
    assert await place.cat(added.cid, "sub/large") == fresh("large", 600_000)


async def test_a_tree_can_be_wrapped(place, fresh):
    bare, wrapped = await place.add_tree(*tree(fresh)), await place.add_tree(*tree(fresh), wrap=True)
    found = await place.ask(subjects.STAT, ipfs.PathRequest(cid=wrapped.cid, path="top"))
    assert found.cid == bare.cid
    assert wrapped.content_size_bytes == bare.content_size_bytes == 600_000 + len(fresh()) + 1 + 5


async def test_several_top_entries_stand_in_one_directory(place, fresh):
    added = await place.add_tree(FilePart("one", fresh("1")), FilePart("two", fresh("2")))
    assert await place.cat(added.cid, "two") == fresh("2")
    assert [entry.path for entry in added.entries] == ["one", "two"]


async def test_a_form_of_one_file_is_that_file(place, fresh):
    added = await place.add_tree(FilePart("report.txt", fresh()))
    assert (added.cid, added.filename) == ((await place.add(fresh())).cid, "report.txt")
    assert added.entry_count is None


async def test_a_form_without_a_file_is_refused(place):
    with pytest.raises(BadRequest) as refused:
        await place.add_tree()
    assert refused.value.field in ("content", "form")


async def test_a_form_that_breaks_off_is_refused(place):
    async def broken():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'

    ask = ipfs.AddRequest(content_type="multipart/form-data; boundary=x")
    with pytest.raises(BadRequest) as refused:
        await place.bus.upload(subjects.ADD, ask, broken())
    assert refused.value.field == "form"


@pytest.mark.parametrize("path", ["../a", "a/../b", "a//b", "./a"])
async def test_a_path_that_leads_out_is_refused(place, fresh, path):
    with pytest.raises(BadRequest) as refused:
        await place.add_tree(FilePart("good", fresh()), FilePart(path, fresh()))
    assert refused.value.field == "path"


async def test_the_same_path_twice_is_refused(place, fresh):
    with pytest.raises(BadRequest) as refused:
        await place.add_tree(FilePart("a", fresh("1")), FilePart("a", fresh("2")))
    assert refused.value.field == "path"


async def test_content_that_breaks_off_is_not_stored(place, fresh):
    async def broken():
        yield fresh()
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await place.bus.upload(subjects.ADD, ipfs.AddRequest(filename="broken"), broken())
    cid = (await place.add(fresh(), only_hash=True)).cid
    assert cid not in [pin.cid for pin in await place.pins()]


async def test_only_the_hash_stores_nothing(place, fresh):
    added = await place.add(fresh(), only_hash=True)
    assert not added.pinned
    assert not await place.has(added.cid)
    assert (await place.add(fresh())).cid == added.cid


async def test_content_is_pinned_unless_it_is_not_to_be(place, fresh):
    kept = await place.add(fresh("kept"), pin_name="keep me")
    loose = await place.add(fresh("loose"), pin=False)
    (pin,) = await place.pins(cid=kept.cid)
    assert (pin.mode, pin.name) == ("recursive", "keep me")
    assert (kept.pinned, loose.pinned) == (True, False)
    assert await place.pins(cid=loose.cid) == []


OPTIONS = {
    "cid_version": {"profile": "unixfs-v0-2015", "cid_version": 1},
    "raw_leaves": {"profile": "unixfs-v0-2015", "raw_leaves": True},
    "chunk_bytes": {"chunk_bytes": 1000},
    "max_links": {"chunk_bytes": 100, "max_links": 3},
    "hash": {"hash": "sha2-512"},
}


OPTION_CIDS = {
    "cid_version": "bafkreih4oasg64xuqdnzl3o3xaqnzraewsko7bn76uyf2gwodmuav2dkfm",
    "raw_leaves": "bafkreih4oasg64xuqdnzl3o3xaqnzraewsko7bn76uyf2gwodmuav2dkfm",
    "chunk_bytes": "bafybeietw24qtb7pppornf22cd2nxnw6hnxi5ofswiiydtqgpypgixru5a",
    "max_links": "bafybeid72bhyixlxxrudnexhgvo4g2mb4fl6moon7l3dfyrxsrzrof7u5e",
    "hash": "bafkrgqhiy3kys2fqb6dowyx2lzwzcxyysyzxdjiv7tvmswu56cxzy4gj6pahsd6z6jvhqyj4tist3wcwc6fmu4il4jk6sbzdus6q2hwx7tuta",
}


@pytest.mark.parametrize("option", OPTIONS)
async def test_what_differs_from_the_profile_differs_everywhere_alike(place, option):
    added = await place.add(pattern(3000), **OPTIONS[option])
    assert added.cid == OPTION_CIDS[option]
    assert await place.cat(added.cid) == pattern(3000)


async def test_an_unknown_hash_is_refused(place, fresh):
    with pytest.raises(BadRequest) as refused:
        await place.add(fresh(), hash="crc32")
    assert refused.value.field == "hash"


async def test_a_hash_that_version_0_cannot_have_is_refused(place, fresh):
    with pytest.raises(BadRequest) as refused:
        await place.add(fresh(), cid_version=0, hash="sha2-512")
    assert refused.value.field == "hash"


async def test_the_top_entries_stay_apart_for_clients_of_kubo(place, fresh):
    parts = [FilePart("one/a", fresh("a")), FilePart("two+b", fresh("b"))]
    added = await place.add_tree(*parts, like_kubo=True, pin_name="each")
    entries = {entry.path: entry for entry in added.entries}
    assert {path: entry.type for path, entry in entries.items()} == {
        "one/a": "file", "one": "directory", "two+b": "file"
    }  # fmt: skip
    for entry in (entries["one"], entries["two+b"]):
        assert [pin.name for pin in await place.pins(cid=entry.cid)] == ["each"]


async def test_others_are_told_what_was_added(place, fresh):
    async with await place.bus.subscribe(subjects.ADDED) as events:
        added = await place.add(fresh(), filename="news.txt")
        async with asyncio.timeout(10):
            async for _, body in events:
                event = ipfs.ContentAdded.from_wire(body)
                if event.cid == added.cid:
                    break
    assert (event.size_bytes, event.pinned, event.filename) == (len(fresh()), True, "news.txt")


# ---- cat ------------------------------------------------------------------------------------------------

SPANS = {
    "all": (0, None),
    "head": (0, 10),
    "across": (262_100, 100),
    "tail": (500_000, None),
    "from the end": (-7, None),
    "from the end, cut": (-100, 5),
    "before the start": (-10_000_000, 4),
    "past the end": (599_990, 1000),
    "nothing": (5, 0),
}


@pytest.mark.parametrize("span", SPANS)
async def test_any_range_of_a_file_can_be_read(reader, fresh, span):
    content = fresh(size=600_000)
    cid = (await reader.add(content, profile="unixfs-v0-2015")).cid
    offset, length = SPANS[span]
    start = max(0, len(content) + offset) if offset < 0 else offset
    expected = content[start:] if length is None else content[start : start + length]
    head, data = await reader.read(subjects.CAT, ipfs.CatRequest(cid=cid, offset=offset, length=length))
    assert data == expected
    assert (head.cid, head.size_bytes, head.offset, head.length) == (cid, 600_000, start, len(expected))


@pytest.mark.parametrize("offset", [600_000, 10_000_000])
async def test_a_range_behind_the_end_is_unsatisfiable(reader, fresh, offset):
    cid = (await reader.add(fresh(size=600_000))).cid
    with pytest.raises(UnsatisfiableRange) as refused:
        await reader.cat(cid, offset=offset)
    assert refused.value.size_bytes == 600_000


async def test_an_empty_file_is_read_from_its_start(reader):
    cid = (await reader.add(b"")).cid
    assert await reader.cat(cid) == b""
    assert await reader.cat(cid, offset=-3) == b""
    with pytest.raises(UnsatisfiableRange):
        await reader.cat(cid, offset=1)


async def test_a_file_is_read_by_its_path(reader, fresh):
    root = (await reader.add_tree(*tree(fresh))).cid
    head, data = await reader.read(subjects.CAT, ipfs.CatRequest(cid=root, path="sub/large", offset=-3))
    assert data == fresh("large", 600_000)[-3:]
    assert head.cid == (await reader.ask(subjects.STAT, ipfs.PathRequest(cid=root, path="sub/large"))).cid


async def test_what_is_inside_the_cid_itself_is_read(reader):
    assert await reader.cat("bafkqabdumvzxi") == b"test"


async def test_names_of_any_characters_are_found(reader, fresh):
    for name in ("ü + %20", "a?b#c&d=e", "日本", " space "):
        root = (await reader.add(fresh(name), filename=name, wrap=True)).cid
        assert await reader.cat(root, name) == fresh(name)


# ---- get, ls, stat --------------------------------------------------------------------------------------


async def test_a_tree_is_had_as_a_tar(reader, fresh):
    root = (await reader.add_tree(*tree(fresh))).cid
    head, data = await reader.read(subjects.GET, ipfs.PathRequest(cid=root))
    assert (head.cid, head.name) == (root, root)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = {member.name: member for member in tar}
        assert set(members) == {root} | {
            f"{root}/{name}" for name in ("a.txt", "empty", "link", "sub", "sub/large")
        }
        assert members[f"{root}/link"].linkname == "a.txt"
        assert tar.extractfile(f"{root}/sub/large").read() == fresh("large", 600_000)


async def test_a_file_by_its_path_is_a_tar_of_one_entry(reader, fresh):
    root = (await reader.add_tree(*tree(fresh))).cid
    head, data = await reader.read(subjects.GET, ipfs.PathRequest(cid=root, path="sub/large"))
    assert head.name == "large"
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["large"]


async def test_entries_are_listed_with_types_and_sizes(reader, fresh):
    root = (await reader.add_tree(*tree(fresh))).cid
    entries = {entry.name: entry for entry in await reader.items(subjects.LS, ipfs.PathRequest(cid=root))}
    assert list(entries) == ["a.txt", "empty", "link", "sub"]
    assert {name: entry.type for name, entry in entries.items()} == {
        "a.txt": "file", "empty": "directory", "link": "symlink", "sub": "directory"
    }  # fmt: skip
    assert entries["a.txt"].size_bytes == len(fresh()) + 1
    assert entries["link"].size_bytes == 5
    (large,) = await reader.items(subjects.LS, ipfs.PathRequest(cid=root, path="sub"))
    assert (large.name, large.size_bytes) == ("large", 600_000)
    stat = await reader.ask(subjects.STAT, ipfs.PathRequest(cid=root, path="sub"))
    assert entries["sub"].size_bytes == entries["sub"].dag_size_bytes == stat.dag_size_bytes
    assert (entries["sub"].cid, large.dag_size_bytes) == (stat.cid, 600_000)


async def test_an_empty_directory_has_no_entries(reader, fresh):
    root = (await reader.add_tree(*tree(fresh))).cid
    assert await reader.items(subjects.LS, ipfs.PathRequest(cid=root, path="empty")) == []


async def test_a_sharded_directory_is_listed_and_looked_up(reader, fresh):
    names = [f"{'x' * 200} {number}" for number in range(1500)]
    root = (await reader.add_tree(*(FilePart(f"d/{name}", b"x" + fresh()) for name in names))).cid
    found = await reader.items(subjects.LS, ipfs.PathRequest(cid=root))
    assert sorted(entry.name for entry in found) == sorted(names)
    assert await reader.cat(root, names[777]) == b"x" + fresh()


async def test_a_path_is_told_for_what_it_is(reader, fresh):
    root = (await reader.add_tree(*tree(fresh), profile="unixfs-v0-2015")).cid

    async def stat(path: str) -> ipfs.Stat:
        return await reader.ask(subjects.STAT, ipfs.PathRequest(cid=root, path=path))

    assert [(await stat(path)).type for path in ("", "a.txt", "link")] == ["directory", "file", "symlink"]
    assert (await stat("link")).target == "a.txt"
    large = await stat("sub/large")
    assert (large.size_bytes, large.links, large.codec) == (600_000, 3, "dag-pb")
    assert large.dag_size_bytes > 600_000


async def test_a_block_of_another_codec_is_told_as_a_block(reader, fresh):
    cid = await reader.put_node({"about": fresh().decode()}, format="cbor")
    stat = await reader.ask(subjects.STAT, ipfs.PathRequest(cid=cid))
    assert (stat.type, stat.codec, stat.links) == ("block", "dag-cbor", 0)


# ---- what cannot be read --------------------------------------------------------------------------------

READS = {
    "cat": lambda place, cid, path: place.read(subjects.CAT, ipfs.CatRequest(cid=cid, path=path)),
    "get": lambda place, cid, path: place.read(subjects.GET, ipfs.PathRequest(cid=cid, path=path)),
    "ls": lambda place, cid, path: place.items(subjects.LS, ipfs.PathRequest(cid=cid, path=path)),
    "stat": lambda place, cid, path: place.ask(subjects.STAT, ipfs.PathRequest(cid=cid, path=path)),
}
every_read = pytest.mark.parametrize("read", READS)


@every_read
async def test_a_missing_block_is_not_found_and_named(reader, fresh, read):
    cid = absent(fresh(), codec=DAG_PB)
    with pytest.raises(NotFound) as missing:
        await READS[read](reader, cid, "")
    assert (missing.value.what, missing.value.name) == ("block", cid)


@every_read
async def test_a_name_that_is_not_there_is_not_found_and_named(reader, fresh, read):
    root = (await reader.add_tree(*tree(fresh))).cid
    with pytest.raises(NotFound) as missing:
        await READS[read](reader, root, "sub/nothing")
    assert (missing.value.what, missing.value.missing) == ("path", "nothing")


@every_read
async def test_a_name_below_a_file_is_not_found(reader, fresh, read):
    root = (await reader.add_tree(*tree(fresh))).cid
    with pytest.raises(NotFound) as missing:
        await READS[read](reader, root, "a.txt/below")
    assert missing.value.what == "path"


@every_read
async def test_what_is_no_cid_is_refused(reader, read):
    with pytest.raises(BadRequest) as refused:
        await READS[read](reader, NO_CID, "")
    assert refused.value.field == "cid"


@every_read
async def test_a_path_with_dots_is_refused(reader, fresh, read):
    root = (await reader.add_tree(*tree(fresh))).cid
    with pytest.raises(BadRequest) as refused:
        await READS[read](reader, root, "sub/../a.txt")
    assert refused.value.field == "path"


@every_read
async def test_a_path_through_a_symbolic_link_is_not_followed(reader, fresh, read):
    root = (await reader.add_tree(*tree(fresh))).cid
    with pytest.raises(NotSupported):
        await READS[read](reader, root, "link/below")


@pytest.mark.parametrize(("path", "kind"), [("sub", "directory"), ("link", "symbolic link")])
async def test_what_is_no_file_has_no_bytes(reader, fresh, path, kind):
    root = (await reader.add_tree(*tree(fresh))).cid
    with pytest.raises(NotAFile) as refused:
        await reader.cat(root, path)
    assert refused.value.type == kind
    assert refused.value.cid == (await reader.ask(subjects.STAT, ipfs.PathRequest(cid=root, path=path))).cid


@pytest.mark.parametrize("path", ["a.txt", "link"])
async def test_what_is_no_directory_has_no_entries(reader, fresh, path):
    root = (await reader.add_tree(*tree(fresh))).cid
    with pytest.raises(BadRequest, match="is not a directory") as refused:
        await reader.items(subjects.LS, ipfs.PathRequest(cid=root, path=path))
    assert refused.value.field == "cid"


async def test_a_node_of_data_is_no_file(reader, fresh):
    cid = await reader.put_node({"about": fresh().decode()}, format="cbor")
    with pytest.raises(NotAFile):
        await reader.cat(cid)


async def test_a_file_that_lacks_a_block_ends_in_not_found(reader, fresh):
    content = fresh(size=300_000)
    added = await reader.add(content, chunk_bytes=1000, max_links=3, pin=False)
    leaf = (await reader.add(content[200_000:201_000], only_hash=True)).cid
    await reader.home.request(subjects.BLOCK_RM, ipfs.BlockRemove(cid=leaf))
    with pytest.raises(NotFound) as missing:
        await reader.cat(added.cid)
    assert missing.value.what == "block"
