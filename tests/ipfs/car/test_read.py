"""CAR files in: every form that is one, and no form that is none."""

import hashlib
import struct

import cbrrr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cidbus.actors.ipfs.car.header import encode_header
from cidbus.actors.ipfs.car.read import MAX_HEADER_BYTES, MAX_SECTION_BYTES, open_car
from cidbus.actors.ipfs.codecs import dagpb
from cidbus.actors.ipfs.codecs.dagpb import Link
from cidbus.schemas.cid import CID, CODECS, DAG_PB, RAW
from cidbus.schemas.errors import InvalidContent

DAG_CBOR = CODECS["dag-cbor"]
EMPTY_IDENTITY = CID.parse("bafkqaaa")


def raw(data: bytes) -> tuple[CID, bytes]:
    return CID.of(RAW, data), data


def pb(*links: Link) -> tuple[CID, bytes]:
    block = dagpb.encode(links, None)
    return CID.of(DAG_PB, block, version=0), block


def cbor(value: object) -> tuple[CID, bytes]:
    block = cbrrr.encode_dag_cbor(value)
    return CID.of(DAG_CBOR, block), block


# ---- the fixtures of the specifications, made again; their SHA-256 are those of the published files -------


def basic_blocks_of_version_1():
    a, b, c = raw(b"aaaa"), raw(b"bbbb"), raw(b"cccc")
    first = pb(Link(a[0], "cat", 4))
    second = pb(Link(b[0], "dog", 4), Link(first[0], "first", 51))
    third = pb(Link(c[0], "bear", 4), Link(second[0], "second", 149))
    blip = cbor({"link": cbrrr.CID(bytes(third[0])), "name": "blip"})
    limbo = cbor({"link": None, "name": "limbo"})
    return [blip, third, c, second, b, first, a, limbo]


def basic_blocks_of_version_2():
    fish, lobster = raw(b"fish"), raw(b"lobster")
    inner = pb(Link(fish[0], "fishmonger", 4))
    middle = pb(Link(inner[0], "barreleye", 58), Link(lobster[0], "🐡", 7))
    return [pb(Link(middle[0], "🍤", 164)), middle, inner, fish, lobster]


def sorted_index(car: bytes, blocks) -> bytes:
    """The index of the published file: one bucket of digests and where their sections begin."""
    entries = sorted(
        cid.digest + struct.pack("<Q", car.index(bytes(cid) + data) - 1 - (len(bytes(cid) + data) > 127))
        for cid, data in blocks
    )
    return struct.pack("<IIQ", 1, 40, 40 * len(entries)) + b"".join(entries)


async def test_the_basic_fixture_of_version_1_is_read(cars):
    blocks = basic_blocks_of_version_1()
    roots = [blocks[0][0], blocks[-1][0]]
    car = cars.car(roots, blocks)
    assert (
        hashlib.sha256(car).hexdigest() == "543ff9c45bbcb5c439e8f8683115cf97fc5de6bb14175a749055304427c33c2e"
    )
    assert await cars.read(car) == (roots, blocks)


async def test_the_basic_fixture_of_version_2_is_read_and_its_index_passed_over(cars):
    blocks = basic_blocks_of_version_2()
    data = cars.car([blocks[0][0]], blocks)
    car = cars.v2(data, index=sorted_index(data, blocks))
    assert (
        hashlib.sha256(car).hexdigest() == "51f2b35c05b1ee8f48f0e8aa7dc3b6531bdc9d26686d6c998ff89f2026dbca62"
    )
    assert await cars.read(car) == ([blocks[0][0]], blocks)
    assert (await open_car(cars.chunks(car))).version == 2


# ---- what is a CAR ---------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    contents=st.lists(st.binary(max_size=300), max_size=20),
    chunk_bytes=st.integers(1, 400),
    is_v2=st.booleans(),
    padding=st.binary(max_size=100),
)
async def test_the_blocks_are_the_same_however_the_stream_is_cut(contents, chunk_bytes, is_v2, padding, cars):
    blocks = [raw(content) for content in contents]
    roots = [cid for cid, _ in blocks[:3]]
    car = cars.car(roots, blocks)
    if is_v2:
        car = cars.v2(car, padding=padding, index=b"\x81\x08" + padding)
    assert await cars.read(car, chunk_bytes) == (roots, blocks)


@pytest.mark.parametrize("chunk_bytes", [1 << 16, 1 << 19, 3 << 20, 1 << 30])
async def test_large_blocks_are_read_from_any_chunks(chunk_bytes, cars, pattern_of):
    blocks = [raw(pattern_of(size)) for size in (1 << 20, 1, (2 << 20) + 1, 0, 1 << 20, 5000)]
    assert await cars.read(cars.car([], blocks), chunk_bytes) == ([], blocks)


async def test_a_stream_of_single_bytes_is_read(cars, pattern_of):
    blocks = [raw(pattern_of(100_000))]
    assert await cars.read(cars.car([], blocks), 1) == ([], blocks)


async def test_chunks_may_be_views(cars):
    blocks = [raw(b"x" * 5000)]
    car = memoryview(cars.car([], blocks))

    async def views():
        yield car[:3000]
        yield car[3000:]

    assert [block async for block in (await open_car(views())).blocks()] == blocks


@pytest.mark.parametrize("count", [0, 1, 23, 24, 255, 256, 10_000])
async def test_a_car_has_any_number_of_roots_and_perhaps_no_blocks(count, cars):
    roots = [CID.of(RAW, str(i).encode()) for i in range(count)]
    car = cars.header(*roots)
    assert encode_header(roots) == car
    assert await cars.read(car) == (roots, [])


async def test_roots_of_all_sorts_are_read(cars):
    roots = [
        CID.of(DAG_PB, b"", version=0),
        EMPTY_IDENTITY,
        CID(1, RAW, b"\x00\x80\x01"[:2].replace(b"\x80", b"\x40") + bytes(64)),
        CID(1, 0x78, b"\x11\x14" + bytes(20)),
        CID(1, 300, b"\x1e\x20" + bytes(32)),
    ]
    assert encode_header(roots) == cars.header(*roots)
    assert await cars.read(cars.header(*roots)) == (roots, [])


async def test_blocks_under_cids_of_version_0_and_identity_cids_are_read(cars):
    identity = CID(1, RAW, b"\x00\x05hello")
    blocks = [pb(), (identity, b"hello"), (EMPTY_IDENTITY, b""), raw(b"")]
    assert await cars.read(cars.car([], blocks)) == ([], blocks)


async def test_a_block_may_stand_twice(cars):
    blocks = [raw(b"a"), raw(b"b"), raw(b"a")]
    assert await cars.read(cars.car([], blocks)) == ([], blocks)


@pytest.mark.parametrize("zeros", [1, 2, 4096, 300_000])
async def test_zeros_may_pad_the_end(zeros, cars):
    blocks = [raw(b"a")]
    car = cars.car([], blocks)
    assert await cars.read(car + bytes(zeros)) == ([], blocks)
    assert await cars.read(cars.v2(car + bytes(zeros), index=b"x")) == ([], blocks)


async def test_what_follows_a_section_of_no_length_must_be_zeros(cars):
    car = cars.car([], [raw(b"a")])
    with pytest.raises(InvalidContent, match=f"zeros after the section of no length at byte {len(car)}"):
        await cars.read(car + b"\0" + cars.section(*raw(b"b")))


async def test_characteristics_change_nothing(cars):
    blocks = [raw(b"a")]
    car = cars.v2(cars.car([], blocks), characteristics=b"\x80" + b"\xff" * 15)
    assert await cars.read(car) == ([], blocks)


# ---- what is none ----------------------------------------------------------------------------------------


async def refused(cars, car: bytes, problem: str, chunk_bytes: int = 1000) -> InvalidContent:
    with pytest.raises(InvalidContent, match=problem) as caught:
        await cars.read(car, chunk_bytes)
    assert caught.value.field == "car"
    return caught.value


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 16])
async def test_a_file_cut_short_anywhere_is_refused_unless_it_ends_with_a_section(chunk_bytes, cars):
    blocks = basic_blocks_of_version_1()
    car = cars.car([blocks[0][0]], blocks)
    ends = {len(car) - len(cars.car([], blocks[n:])) + len(cars.header()): n for n in range(len(blocks) + 1)}
    for end in range(len(car)):
        if end in ends:
            assert (await cars.read(car[:end], chunk_bytes))[1] == blocks[: ends[end]]
        else:
            await refused(cars, car[:end], "cut short", chunk_bytes)


async def test_a_file_cut_short_names_the_byte_where_it_ends_and_the_block(cars):
    cid, data = raw(b"x" * 10_000)
    car = cars.car([], [(cid, data)])
    start = len(car) - len(data)
    await refused(
        cars, car[:-1], f"cut short at byte {len(car) - 1}: {cid}, at byte {start}, has 10000 bytes"
    )


async def test_a_version_2_cut_short_anywhere_is_refused(cars):
    car = cars.v2(cars.car([], [raw(b"a"), raw(b"b")]), padding=bytes(9), index=b"index")
    for end in range(len(car) - len(b"ndex")):
        await refused(cars, car[:end], "cut short")


async def test_a_block_that_does_not_match_its_cid_is_refused_with_both_named(cars):
    cid, _ = raw(b"right")
    good = cars.car([], [raw(b"first")])
    error = await refused(
        cars, good + cars.section(cid, b"wrong"), f"block at byte {len(good)} does not match"
    )
    assert error.cid == str(cid)


async def test_an_identity_cid_that_says_something_else_is_refused(cars):
    await refused(cars, cars.car([], [(CID(1, RAW, b"\x00\x01a"), b"b")]), "does not match")


@pytest.mark.parametrize("index", range(8))
async def test_a_wrong_block_is_found_wherever_it_is(index, cars, pattern_of):
    blocks = [raw(pattern_of(400_000 + i)) for i in range(8)]
    cid, data = blocks[index]
    blocks[index] = cid, b"!" + data[1:]
    error = await refused(cars, cars.car([], blocks), "does not match")
    assert error.cid == str(cid)


@pytest.mark.parametrize("name", ["sha1", "sha2-512", "sha3-256", "blake3", "dbl-sha2-256", "blake2b-256"])
async def test_blocks_under_any_hash_are_checked(name, cars):
    cid = CID.of(RAW, b"right", hash_name=name)
    assert await cars.read(cars.car([], [(cid, b"right")])) == ([], [(cid, b"right")])
    await refused(cars, cars.car([], [(cid, b"wrong")]), "does not match")


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        (b"\x81\x00", "not minimal"),
        (b"\x80" * 9 + b"\x01", "longer than 9 bytes"),
        (b"\x05" + b"hello", "does not begin with a CID"),
        (b"\x01\x01", "does not begin with a CID"),
        (b"\x23" + b"\x12\x20" + bytes(33), "does not match"),
        (b"\x21" + b"\x12\x20" + bytes(31), "does not begin with a CID"),
        (b"\x26" + b"\x01\x55\x12\x21" + bytes(34), "does not begin with a CID: a sha2-256 digest of 33"),
        (b"\x23" + b"\x01\x55\x12\x20" + bytes(31), "does not begin with a CID: the digest is cut short"),
        (b"\x26" + b"\x02\x55\x12\x20" + bytes(34), "unknown CID version 2"),
        (b"\x26" + b"\x01\x55\xff\x7f" + bytes(34), "unknown hash function"),
        (b"\x26" + b"\x01\xd5\x00\x12\x20" + bytes(33), "not minimal"),
    ],
)
async def test_a_section_without_a_right_length_and_cid_is_refused(section, problem, cars):
    for chunk_bytes in (1, 1000):
        await refused(cars, cars.header() + section + cars.section(*raw(b"a")), problem, chunk_bytes)


async def test_lengths_that_lie_are_refused_before_anything_is_read_for_them(cars):
    taken = 0

    async def endless(start: bytes):
        nonlocal taken
        taken = 0
        yield start
        while True:
            taken += 1
            yield bytes(1 << 16)

    for start, limit in (
        (b"\x80\x80\x80\x11", MAX_HEADER_BYTES),
        (b"\xff" * 8 + b"\x7f", MAX_HEADER_BYTES),
        (cars.header() + b"\x81\x80\x80\x04", MAX_SECTION_BYTES),
        (cars.header() + b"\xff" * 8 + b"\x7f", MAX_SECTION_BYTES),
    ):
        with pytest.raises(InvalidContent) as caught:
            async for _ in (await open_car(endless(start))).blocks():
                pass
        assert caught.value.limit <= limit
        assert taken <= 1


async def test_a_header_of_33_mib_is_refused(cars):
    await refused(cars, cars.sized(bytes(33 << 20)), "the header at byte 0 is said to have 34603008", 1 << 16)


async def test_a_header_of_32_mib_of_anything_else_is_refused(cars):
    await refused(cars, cars.sized(b"\xa2\x65roots" + b"\x81" * (31 << 20)), "no link", 1 << 16)


async def test_more_than_10_000_roots_are_refused(cars):
    error = await refused(cars, cars.header(*[EMPTY_IDENTITY] * 10_001), "names 10001 roots")
    assert error.limit == 10_000


LINK = "d82a450001550000"


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("", "not the DAG-CBOR map"),
        ("a0", "not the DAG-CBOR map"),
        ("a16776657273696f6e01", "not the DAG-CBOR map"),
        ("a16776657273696f6e03", "not the DAG-CBOR map"),
        ("a26776657273696f6e0165726f6f747380", "not the DAG-CBOR map"),
        ("a365726f6f7473806776657273696f6e016178f6", "not the DAG-CBOR map"),
        ("a265726f6f7473806776657273696f6e", "cut short"),
        ("a265726f6f7473", "cut short"),
        ("a265726f6f7473f66776657273696f6e01", "not canonical"),
        ("a265726f6f747398006776657273696f6e01", "not canonical"),
        ("a265726f6f74739fff6776657273696f6e01", "not canonical"),
        ("a265726f6f747381" + "6776657273696f6e01", "no link"),
        ("a265726f6f747381" + "d8294500015500006776657273696f6e01", "no link"),
        ("a265726f6f747381" + "d82a4401550000" + "6776657273696f6e01", "without its zero byte"),
        ("a265726f6f747381" + "d82a4400015500" + "6776657273696f6e01", "no CID"),
        ("a265726f6f747381" + "d82a5805000155" + "00006776657273696f6e01", "not canonical"),
        ("a265726f6f747381" + "d82a58ff00", "no CID"),
        ("a265726f6f747382" + LINK + "6776657273696f6e01", "no link"),
        ("a265726f6f747380" + LINK + "6776657273696f6e01", "no version"),
        ("a265726f6f7473806776657273696f6e02", "version 2"),
        ("a265726f6f7473806776657273696f6e1801", "not canonical"),
        ("a265726f6f7473806776657273696f6e20", "not canonical"),
        ("a265726f6f7473806776657273696f6ef93c00", "not canonical"),
        ("a265726f6f7473806776657273696f6e0100", "followed by 1 bytes"),
    ],
)
async def test_a_header_in_any_other_form_is_refused(header, problem, cars):
    await refused(cars, cars.sized(bytes.fromhex(header)), problem)


async def test_a_header_length_that_is_not_minimal_is_refused(cars):
    header = cars.header()
    await refused(cars, bytes((header[0] | 0x80, 0)) + header[1:], "not minimal")


@pytest.mark.parametrize(
    ("places", "problem"),
    [
        ({"offset": 0}, "the data begin at byte 0, inside the header"),
        ({"offset": 50}, "inside the header"),
        ({"offset": 1 << 40, "index_offset": 0}, "the data begin at byte 1099511627776"),
        ({"offset": (1 << 64) - 1}, "limit|said to be"),
        ({"size": 0}, "cut short"),
        ({"size": 10}, "cut short"),
        ({"size": 1 << 40, "index_offset": 0}, "the data end at byte"),
        ({"size": (1 << 64) - 1}, "said to be"),
        ({"index_offset": 60}, "the index begins at byte 60, inside the data"),
        ({"index_offset": 1 << 40}, "the index begins at byte 1099511627776"),
    ],
)
async def test_parts_of_a_version_2_that_lie_outside_it_or_in_each_other_are_refused(places, problem, cars):
    car = cars.v2(cars.car([], [raw(b"a")]), index=b"index", **places)
    await refused(cars, car, problem)


async def test_a_version_2_inside_a_version_2_is_refused(cars):
    await refused(cars, cars.v2(cars.v2(cars.car([], [raw(b"a")]))), "not the DAG-CBOR map")


async def test_blocks_over_the_limit_of_the_caller_are_refused_with_their_cid(cars):
    blocks = [raw(bytes(100)), raw(bytes(101))]
    with pytest.raises(InvalidContent, match="block at byte 156 has 101 bytes") as caught:
        await cars.read(cars.car([], blocks), max_block_bytes=100)
    assert (caught.value.limit, caught.value.cid) == (100, str(blocks[1][0]))


async def test_an_error_of_the_stream_goes_on_to_the_caller(cars):
    class Broken(Exception):
        pass

    async def broken():
        yield cars.car([], [raw(b"a")])
        raise Broken

    with pytest.raises(Broken):
        async for _ in (await open_car(broken())).blocks():
            pass
