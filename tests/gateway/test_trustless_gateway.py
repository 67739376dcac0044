"""The trustless gateway (https://specs.ipfs.tech/http-gateways/trustless-gateway/), section by section."""

from __future__ import annotations

import random
from collections.abc import Iterator

import aiohttp
import pytest

from cidbus.schemas import names, subjects
from cidbus.schemas.cid import CID
from cidbus.schemas.varint import read_varint

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = b"Hello, IPFS!"
ABSENT = str(CID.of(0x55, b"nobody has this"))
EMPTY = "bafkqaaa"
RAW = {"Accept": "application/vnd.ipld.raw"}
CAR = {"Accept": "application/vnd.ipld.car"}
MIB = 1024 * 1024
LARGE = random.Random(1).randbytes(2_560_000)  # three blocks, none like another


def blocks_of(car: bytes) -> list[str]:
    """The CIDs of a CAR's blocks in their order; each block is checked against its own."""
    return [str(cid) for cid, _ in _sections(car)]


def header_of(car: bytes) -> bytes:
    size, at = read_varint(car, 0)
    return car[at : at + size]


def _sections(car: bytes) -> Iterator[tuple[CID, bytes]]:
    size, at = read_varint(car, 0)
    at += size
    while at < len(car):
        size, at = read_varint(car, at)
        section = car[at : at + size]
        assert len(section) == size, "the CAR ends inside a section"
        cid, start = CID.read(section, 0)
        assert cid.matches(section[start:])
        yield cid, section[start:]
        at += size


# ---- GET and HEAD /ipfs/{cid}[/{path}] ------------------------------------------------------------------


async def test_a_block_is_the_bytes_that_its_cid_names(web, node):
    root = await node.tree({"a.txt": HELLO})
    found = await web.get(f"/ipfs/{root}?format=raw")
    assert CID.parse(root).matches(found.body)


async def test_a_car_has_the_blocks_of_the_path_before_those_below_it(web, node):
    root = await node.tree({"a/b.txt": HELLO, "c.txt": b"not asked for"})
    found = await web.get(f"/ipfs/{root}/a/b.txt?format=car")
    listed = blocks_of(found.body)
    assert (listed[0], listed[-1], len(listed)) == (root, str(CID.of(0x55, HELLO)), 3)


async def test_head_of_every_format_says_what_get_would(web, node):
    root = await node.tree({"a.txt": HELLO})
    for form in ("raw", "car"):
        get, head = (
            await web.get(f"/ipfs/{root}?format={form}"),
            await web.head(f"/ipfs/{root}?format={form}"),
        )
        assert (head.status, head.body) == (200, b"")
        for name in ("Etag", "Content-Type", "Content-Disposition", "Cache-Control"):
            assert head.headers[name] == get.headers[name]


# ---- GET /ipns/{key} ------------------------------------------------------------------------------------


async def test_the_record_of_a_name_is_served_as_it_was_signed(web, node):
    cid = await node.add(HELLO)
    key = await node.bus.request(subjects.KEY_GEN, names.KeyGen(name="record"))
    await node.bus.request(subjects.NAME_PUBLISH, names.NamePublish(path=f"/ipfs/{cid}", key="record"))
    record = (await node.bus.request(subjects.NAME_GET, names.NameGet(name=key.id))).record
    for path, accept in ((f"/ipns/{key.id}?format=ipns-record", {}), (f"/ipns/{key.peer_id}", RECORD)):
        found = await web.get(path, accept)
        assert (found.status, found.body) == (200, record)
        assert found.headers["Content-Type"] == RECORD["Accept"]
        assert found.headers["Content-Disposition"].startswith("attachment")
        again = await web.get(path, accept | {"If-None-Match": found.headers["Etag"]})
        assert again.status == 304


RECORD = {"Accept": "application/vnd.ipfs.ipns-record"}


async def test_a_record_has_no_paths_in_it_and_only_keys_have_one(web, node):
    key = await node.bus.request(subjects.KEY_GEN, names.KeyGen(name="pathless"))
    assert (await web.get(f"/ipns/{key.id}/a?format=ipns-record")).status == 400
    assert (await web.get("/ipns/example.org?format=ipns-record")).status == 400


async def test_a_name_that_was_never_published_is_not_found(web, node):
    key = await node.bus.request(subjects.KEY_GEN, names.KeyGen(name="unpublished"))
    assert (await web.get(f"/ipns/{key.id}?format=ipns-record")).status == 404
    assert (await web.get(f"/ipns/{key.id}")).status == 404


# ---- Accept ---------------------------------------------------------------------------------------------


async def test_a_strict_gateway_refuses_a_request_that_names_no_format(gateway_with, node):
    strict = await gateway_with(gateway_trustless_only=True)
    cid = await node.add(HELLO)
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "text/html"}):
        assert (await strict.get(f"/ipfs/{cid}", headers)).status in (400, 406)
    assert (await strict.get(f"/ipfs/{cid}")).status == 400


async def test_a_strict_gateway_serves_verifiable_formats_and_no_others(gateway_with, node):
    strict = await gateway_with(gateway_trustless_only=True)
    cid = await node.add(HELLO)
    assert (await strict.get(f"/ipfs/{cid}", RAW)).body == HELLO
    assert blocks_of((await strict.get(f"/ipfs/{cid}", CAR)).body) == [cid]
    for form in ("tar", "json", "dag-json"):
        assert (await strict.get(f"/ipfs/{cid}?format={form}")).status == 406


async def test_a_strict_gateway_serves_blocks_by_their_cid_alone(gateway_with, node):
    strict = await gateway_with(gateway_trustless_only=True)
    root = await node.tree({"a.txt": HELLO})
    assert (await strict.get(f"/ipfs/{root}/a.txt?format=raw")).status == 400
    assert (await strict.get(f"/ipfs/{root}/a.txt?format=car")).status == 200


# ---- only-if-cached -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["raw", "car"])
async def test_only_if_cached_is_412_where_the_root_block_is_not_here(web, node, form):
    cached = {"Cache-Control": "only-if-cached"}
    assert (await web.get(f"/ipfs/{ABSENT}?format={form}", cached)).status == 412
    assert (await web.get(f"/ipfs/{await node.add(HELLO)}?format={form}", cached)).status == 200


# ---- dag-scope ------------------------------------------------------------------------------------------


async def test_scope_block_is_the_block_at_the_end_of_the_path(web, node):
    root = await node.tree({"a/b.txt": HELLO})
    found = await web.get(f"/ipfs/{root}/a?format=car&dag-scope=block")
    assert len(blocks_of(found.body)) == 2


async def test_scope_entity_is_a_whole_file_or_a_directory_without_its_contents(web, node):
    large = await node.stream(LARGE)
    root = await node.tree({"a/b.txt": HELLO})
    assert len(blocks_of((await web.get(f"/ipfs/{large}?format=car&dag-scope=entity")).body)) == 4
    assert blocks_of((await web.get(f"/ipfs/{root}?format=car&dag-scope=entity")).body) == [root]


async def test_scope_all_is_the_default_and_everything_below(web, node):
    root = await node.tree({"a/b.txt": HELLO, "c.txt": b"c"})
    for query in ("", "&dag-scope=all"):
        assert len(blocks_of((await web.get(f"/ipfs/{root}?format=car{query}")).body)) == 4


async def test_an_unknown_scope_is_a_bad_request(web, node):
    assert (await web.get(f"/ipfs/{await node.add(HELLO)}?format=car&dag-scope=some")).status == 400


async def test_the_etag_differs_by_scope_range_duplicates_and_path(web, node):
    root = await node.tree({"a/b.txt": HELLO})
    queries = ("", "&dag-scope=block", "&dag-scope=entity", "&entity-bytes=0:3", "&car-dups=y")
    tags = [(await web.get(f"/ipfs/{root}/a?format=car{query}")).headers["Etag"] for query in queries]
    tags.append((await web.get(f"/ipfs/{root}/a/b.txt?format=car")).headers["Etag"])
    assert len(set(tags)) == len(tags)


# ---- entity-bytes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "leaves"),
    [("0:*", 3), ("0:0", 1), (f"{MIB}:{MIB}", 1), (f"{MIB - 1}:{MIB}", 2), ("-1:*", 1), (f"5:-{MIB}", 2)],
)
async def test_entity_bytes_is_only_the_blocks_that_hold_the_range(web, node, asked, leaves):
    cid = await node.stream(LARGE)
    found = await web.get(f"/ipfs/{cid}?format=car&entity-bytes={asked}")
    assert found.status == 200
    assert len(blocks_of(found.body)) == 1 + leaves


async def test_entity_bytes_of_what_is_no_file_are_ignored(web, node):
    root = await node.tree({"a/b.txt": HELLO})
    found = await web.get(f"/ipfs/{root}?format=car&entity-bytes=5:10")
    assert blocks_of(found.body) == [root]


async def test_entity_bytes_partly_outside_of_the_file_give_what_is_inside(web, node):
    cid = await node.stream(LARGE)
    found = await web.get(f"/ipfs/{cid}?format=car&entity-bytes={MIB}:99999999")
    assert len(blocks_of(found.body)) == 3


async def test_entity_bytes_outside_of_the_file_give_the_root_or_a_bad_request(web, node):
    cid = await node.stream(LARGE)
    found = await web.get(f"/ipfs/{cid}?format=car&entity-bytes=99999999:*")
    assert found.status == 400 or blocks_of(found.body) == [cid]


@pytest.mark.parametrize("asked", ["", "1", "a:b", "5:1", "*:5", "1:2:3"])
async def test_malformed_entity_bytes_are_a_bad_request(web, node, asked):
    found = await web.get(f"/ipfs/{await node.add(HELLO)}?format=car&entity-bytes={asked}")
    assert found.status == 400


# ---- car-version, car-order, car-dups -------------------------------------------------------------------


@pytest.mark.parametrize("query", ["car-version=2", "car-order=bfs", "car-dups=maybe"])
async def test_an_unsupported_car_parameter_is_refused(web, node, query):
    cid = await node.add(HELLO)
    assert (await web.get(f"/ipfs/{cid}?format=car&{query}")).status in (400, 406)
    name, _, value = query.removeprefix("car-").partition("=")
    accept = {"Accept": f"application/vnd.ipld.car;{name}={value}"}
    assert (await web.get(f"/ipfs/{cid}", accept)).status in (400, 406)


async def test_duplicates_are_sent_once_or_each_time_as_asked(web, node):
    root = await node.tree({"a.txt": HELLO, "b.txt": HELLO})
    once = await web.get(f"/ipfs/{root}?format=car&car-dups=n")
    each = await web.get(f"/ipfs/{root}?format=car&car-dups=y")
    assert (len(blocks_of(once.body)), len(blocks_of(each.body))) == (2, 3)


async def test_a_parameter_of_the_query_wins_over_accept_and_is_told(web, node):
    root = await node.tree({"a.txt": HELLO, "b.txt": HELLO})
    found = await web.get(f"/ipfs/{root}?format=car&car-dups=n", {"Accept": f"{CAR['Accept']};dups=y"})
    assert len(blocks_of(found.body)) == 2
    assert "dups=n" in found.headers["Content-Type"]
    assert "car-dups=n" in found.headers["Content-Location"]


# ---- status codes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [RAW, CAR])
async def test_a_missing_root_block_is_not_found(web, headers):
    assert (await web.get(f"/ipfs/{ABSENT}", headers)).status == 404
    assert (await web.head(f"/ipfs/{ABSENT}", headers)).status == 404


async def test_a_block_missing_below_the_root_breaks_the_car_off(web, node):
    content = random.Random(2).randbytes(10 * MIB)
    cid = await node.stream(content)
    last = content[9 * MIB :]
    await node.forget(str(CID.of(0x55, last)))
    with pytest.raises((aiohttp.ClientPayloadError, ConnectionError, aiohttp.ServerDisconnectedError)):
        await web.get(f"/ipfs/{cid}?format=car")


# ---- response headers -----------------------------------------------------------------------------------


async def test_the_content_type_of_a_car_says_version_order_and_duplicates(web, node):
    cid = await node.add(HELLO)
    for headers in (CAR, {"Accept": "application/vnd.ipld.car; version=1; order=unk"}):
        found = await web.get(f"/ipfs/{cid}", headers)
        assert found.headers["Content-Type"] == "application/vnd.ipld.car; version=1; order=dfs; dups=n"


async def test_verifiable_answers_are_attachments_with_a_name_and_not_to_be_guessed(web, node):
    cid = await node.add(HELLO)
    for form, ending in (("raw", "bin"), ("car", "car")):
        found = await web.get(f"/ipfs/{cid}?format={form}")
        assert found.headers["Content-Disposition"] == f'attachment; filename="{cid}.{ending}"'
        assert found.headers["X-Content-Type-Options"] == "nosniff"
        named = await web.get(f"/ipfs/{cid}?format={form}&filename=x.dat")
        assert named.headers["Content-Disposition"] == 'attachment; filename="x.dat"'


async def test_content_location_is_told_where_only_accept_names_the_format(web, node):
    cid = await node.add(HELLO)
    assert (
        (await web.get(f"/ipfs/{cid}", CAR)).headers["Content-Location"].startswith(f"/ipfs/{cid}?format=car")
    )
    assert (await web.get(f"/ipfs/{cid}", RAW)).headers["Content-Location"] == f"/ipfs/{cid}?format=raw"


async def test_the_car_header_has_version_1_and_a_root(web, node):
    cid = await node.add(HELLO)
    header = header_of((await web.get(f"/ipfs/{cid}?format=car")).body)
    assert b"gversion\x01" in header
    assert bytes(CID.parse(cid)) in header


async def test_blocks_inside_of_their_cids_are_not_in_the_car(web, node):
    inside = CID(1, 0x55, b"\0\x05inner")
    link = b"\x0a" + bytes([len(bytes(inside))]) + bytes(inside) + b"\x12\x01a\x18\x05"
    root = await node.block(b"\x12" + bytes([len(link)]) + link + b"\x0a\x02\x08\x01", "dag-pb")
    for dups in "yn":
        found = await web.get(f"/ipfs/{root}?format=car&car-dups={dups}")
        assert blocks_of(found.body) == [root]
    assert (await web.get(f"/ipfs/{root}/a")).body == b"inner"


# ---- dedicated probe paths ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [RAW, CAR, {}])
async def test_the_probe_path_answers_in_every_format(web, method, headers):
    found = await web.get(f"/ipfs/{EMPTY}", headers, method=method)
    assert found.status == 200
    if headers == CAR and method == "GET":
        assert header_of(found.body).endswith(bytes(CID.parse(EMPTY)) + b"gversion\x01")
        assert blocks_of(found.body) in ([], [EMPTY])
    else:
        assert found.body == b""


@pytest.mark.parametrize("form", ["raw", "car"])
async def test_a_strict_gateway_answers_the_probe_as_well(gateway_with, form):
    strict = await gateway_with(gateway_trustless_only=True)
    assert (await strict.head(f"/ipfs/{EMPTY}?format={form}")).status == 200
    assert (await strict.get(f"/ipfs/{EMPTY}?format={form}")).status == 200
