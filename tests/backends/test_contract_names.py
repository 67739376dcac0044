"""The contract: keys, names and their records, the same at every back end."""

from __future__ import annotations

import hashlib
import itertools

import pytest

from cidbus.actors.ipfs.ipns.keys import PrivateKey
from cidbus.actors.ipfs.ipns.record import create
from cidbus.schemas import names, routing, subjects
from cidbus.schemas.errors import BadRequest, Conflict, InvalidContent, NotFound

from .places import absent

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLACES = ["embedded", "kubo-online", "kubo-rpc", "simulation"]

NUMBERS = itertools.count()


@pytest.fixture
def key_name() -> str:
    return f"key-{next(NUMBERS)}"


async def gen(place, name: str, **fields) -> names.Key:
    return await place.ask(subjects.KEY_GEN, names.KeyGen(name=name, **fields))


async def keys(place) -> dict[str, names.Key]:
    return {key.name: key for key in await place.items(subjects.KEYS, names.KeyList())}


async def publish(place, path: str, **fields) -> names.NamePublished:
    return await place.ask(subjects.NAME_PUBLISH, names.NamePublish(path=path, **fields))


async def resolve(place, name: str, **fields) -> names.NameResolved:
    return await place.ask(subjects.NAME_RESOLVE, names.NameResolve(name=name, **fields))


async def record_of(place, name: str) -> bytes:
    return (await place.ask(subjects.NAME_GET, names.NameGet(name=name))).record


# ---- keys -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
async def test_a_key_is_made_listed_renamed_and_removed(place, key_name, kind):
    made = await gen(place, key_name, type=kind)
    assert (made.name, made.type) == (key_name, kind)
    listed = (await keys(place))[key_name]
    assert (listed.id, listed.peer_id, listed.type) == (made.id, made.peer_id, kind)
    renamed = await place.ask(subjects.KEY_RENAME, names.KeyRename(name=key_name, new_name=f"{key_name}-new"))
    assert (renamed.was, renamed.now, renamed.id) == (key_name, f"{key_name}-new", made.id)
    assert not renamed.overwritten
    removed = await place.ask(subjects.KEY_RM, names.KeyRemove(name=f"{key_name}-new"))
    assert (removed.name, removed.id) == (f"{key_name}-new", made.id)
    assert not {key_name, f"{key_name}-new"} & set(await keys(place))


async def test_the_own_key_comes_first(place, key_name):
    await gen(place, key_name)
    assert next(iter(await keys(place))) == "self"


async def test_a_key_name_is_given_once(place, key_name):
    await gen(place, key_name)
    with pytest.raises(Conflict):
        await gen(place, key_name)


async def test_the_own_key_can_neither_be_made_nor_renamed_nor_removed(place, key_name):
    for row, ask in (
        (subjects.KEY_GEN, names.KeyGen(name="self")),
        (subjects.KEY_RENAME, names.KeyRename(name="self", new_name=key_name)),
        (subjects.KEY_RM, names.KeyRemove(name="self")),
    ):
        with pytest.raises(BadRequest):
            await place.ask(row, ask)


async def test_an_unknown_key_is_not_found_and_named(place, key_name):
    for row, ask in (
        (subjects.KEY_RM, names.KeyRemove(name=key_name)),
        (subjects.KEY_RENAME, names.KeyRename(name=key_name, new_name="other")),
        (subjects.NAME_PUBLISH, names.NamePublish(path=absent(b""), key=key_name, resolve=False)),
    ):
        with pytest.raises(NotFound) as missing:
            await place.ask(row, ask)
        assert (missing.value.what, missing.value.name) == ("key", key_name)


async def test_a_key_takes_the_name_of_another_only_if_forced(place, key_name):
    made = await gen(place, key_name)
    await gen(place, f"{key_name}-taken")
    with pytest.raises(Conflict):
        ask = names.KeyRename(name=key_name, new_name=f"{key_name}-taken")
        await place.ask(subjects.KEY_RENAME, ask)
    ask = names.KeyRename(name=key_name, new_name=f"{key_name}-taken", force=True)
    renamed = await place.ask(subjects.KEY_RENAME, ask)
    assert renamed.overwritten
    assert (await keys(place))[f"{key_name}-taken"].id == made.id


async def test_only_rsa_keys_have_a_size(place, key_name):
    with pytest.raises(BadRequest) as refused:
        await gen(place, key_name, size=2048)
    assert refused.value.field == "size"


# ---- names ----------------------------------------------------------------------------------------------


async def test_a_published_name_leads_to_its_content(place, fresh, key_name):
    key, cid = await gen(place, key_name), (await place.add(fresh())).cid
    published = await publish(place, cid, key=key_name, lifetime="24h", ttl="1m")
    assert (published.name, published.value, published.sequence) == (key.id, f"/ipfs/{cid}", 0)
    assert published.ttl_s == 60
    for name in (key.id, f"/ipns/{key.id}", key.peer_id):
        assert (await resolve(place, name)).path == f"/ipfs/{cid}"
        assert (await resolve(place, name)).name == key.id


async def test_a_name_is_published_by_the_id_of_its_key(place, fresh, key_name):
    key, cid = await gen(place, key_name), (await place.add(fresh())).cid
    assert (await publish(place, f"/ipfs/{cid}", key=key.id)).name == key.id


async def test_a_new_value_takes_the_next_sequence_number(place, fresh, key_name):
    await gen(place, key_name)
    for number in range(2):
        cid = (await place.add(fresh(str(number)))).cid
        assert (await publish(place, cid, key=key_name)).sequence == number


async def test_a_sequence_number_that_is_not_above_the_last_is_refused(place, fresh, key_name):
    await gen(place, key_name)
    cid = (await place.add(fresh())).cid
    assert (await publish(place, cid, key=key_name, sequence=7)).sequence == 7
    with pytest.raises(BadRequest):
        await publish(place, cid, key=key_name, sequence=7)


async def test_a_name_may_lead_to_a_path_and_to_another_name(place, fresh, key_name):
    first = await gen(place, key_name)
    second = await gen(place, f"{key_name}-alias")
    root = (await place.add(fresh(), filename="a.txt", wrap=True)).cid
    await publish(place, f"/ipfs/{root}/a.txt", key=key_name)
    await publish(place, f"/ipns/{first.id}", key=f"{key_name}-alias")
    assert (await resolve(place, second.id)).path == f"/ipfs/{root}/a.txt"
    assert (await resolve(place, second.id, recursive=False)).path == f"/ipns/{first.id}"


async def test_a_path_that_leads_nowhere_is_not_published_unless_asked_to(place, fresh, key_name):
    await gen(place, key_name)
    nowhere = absent(fresh())
    with pytest.raises(NotFound) as missing:
        await publish(place, nowhere, key=key_name)
    assert (missing.value.what, missing.value.name) == ("block", nowhere)
    published = await publish(place, nowhere, key=key_name, resolve=False)
    assert published.value == f"/ipfs/{nowhere}"


@pytest.mark.parametrize(("field", "value"), [("lifetime", "soon"), ("ttl", "-1h"), ("lifetime", -5)])
async def test_a_wrong_duration_is_named(place, fresh, field, value):
    cid = (await place.add(fresh())).cid
    with pytest.raises(BadRequest) as refused:
        await publish(place, cid, **{field: value})
    assert refused.value.field == field


@pytest.mark.parametrize("path", ["nonsense", "/ipfs/nonsense", "/other/thing"])
async def test_what_is_no_path_is_not_published(place, path):
    with pytest.raises(BadRequest):
        await publish(place, path)


async def test_an_unknown_name_is_not_found(place):
    name = str(PrivateKey.of_seed(bytes(32)).name)
    for ask in (
        lambda: resolve(place, name),
        lambda: record_of(place, name),
        lambda: place.ask(subjects.ROUTING_GET, routing.RoutingGet(key=f"/ipns/{name}")),
    ):
        with pytest.raises(NotFound) as missing:
            await ask()
        assert missing.value.what == "name"


async def test_what_is_no_name_is_refused(place):
    for ask in (resolve, record_of):
        with pytest.raises(BadRequest):
            await ask(place, "12D3KooWnonsense")


# ---- records --------------------------------------------------------------------------------------------


async def test_the_record_of_a_name_can_be_had_and_read(place, fresh, key_name):
    key, cid = await gen(place, key_name), (await place.add(fresh())).cid
    published = await publish(place, cid, key=key_name)
    got = await place.ask(subjects.NAME_GET, names.NameGet(name=key.id))
    assert (got.name, got.expires_at) == (key.id, published.expires_at)
    seen = await place.ask(subjects.NAME_INSPECT, names.NameInspect(record=got.record, name=key.id))
    assert (seen.value, seen.valid, seen.problem) == (f"/ipfs/{cid}", True, None)
    assert (
        await place.ask(subjects.ROUTING_GET, routing.RoutingGet(key=f"/ipns/{key.id}"))
    ).value == got.record


async def test_a_record_that_somebody_else_signed_is_kept(place, fresh):
    name, record = signed(fresh(), 1)
    await place.ask(subjects.NAME_PUT, names.NamePut(name=name, record=record))
    assert await record_of(place, name) == record
    newer = signed(fresh(), 2)[1]
    await place.ask(subjects.ROUTING_PUT, routing.RoutingPut(key=f"/ipns/{name}", value=newer))
    assert await record_of(place, name) == newer


async def test_an_older_record_does_not_take_the_place_of_a_newer_one(place, fresh):
    name, newer = signed(fresh(), 2)
    await place.ask(subjects.NAME_PUT, names.NamePut(name=name, record=newer))
    kept = await place.ask(subjects.NAME_PUT, names.NamePut(name=name, record=signed(fresh(), 1)[1]))
    assert kept.record == newer
    assert await record_of(place, name) == newer


async def test_a_record_that_its_owner_did_not_sign_is_refused(place, fresh):
    name, _ = signed(fresh("owner"), 1)
    _, record = signed(fresh("other"), 1)
    for row, ask in (
        (subjects.NAME_PUT, names.NamePut(name=name, record=record)),
        (subjects.ROUTING_PUT, routing.RoutingPut(key=f"/ipns/{name}", value=record)),
        (subjects.NAME_PUT, names.NamePut(name=name, record=b"nonsense")),
    ):
        with pytest.raises(InvalidContent):
            await place.ask(row, ask)
    seen = await place.ask(subjects.NAME_INSPECT, names.NameInspect(record=record, name=name))
    assert seen.valid is False


def signed(owner: bytes, sequence: int) -> tuple[str, bytes]:
    """The name of a key that nobody here has, and a record that it has signed, good for years."""
    key = PrivateKey.of_seed(hashlib.sha256(owner).digest())
    value = f"/ipfs/{absent(owner)}".encode()
    record = create(key, value, sequence=sequence, validity_ns=4_000_000_000 * 10**9)
    return str(key.name), record.raw
