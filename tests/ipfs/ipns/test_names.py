"""The name service: publishing, resolving, what arrives from others, and processes that publish at once."""

import asyncio

import pytest

from cidbus.actors.ipfs.ipns.keys import PrivateKey
from cidbus.actors.ipfs.ipns.record import create
from cidbus.actors.ipfs.paths import parse_path
from cidbus.schemas.errors import (
    BadRequest,
    InvalidContent,
    NotFound,
    NotSupported,
    StorageFull,
    TooLarge,
    Unavailable,
)

HOUR_NS = 3600 * 10**9
STRANGER = PrivateKey.generate()


def signed(clock, key=STRANGER, value="/ipfs/bafkqaaa", hours=1.0, **options) -> bytes:
    """A record that somebody else made."""
    options = {"sequence": 0, "validity_ns": clock() + int(hours * HOUR_NS)} | options
    return create(key, value.encode(), **options).raw


async def test_a_published_name_leads_to_its_path(names, kit, path_a):
    published = await names.publish(path_a)
    assert published.name == kit.own.name
    assert published.record.sequence == 0
    resolved = await names.resolve(parse_path(f"/ipns/{published.name}/a/b"))
    assert str(resolved.path) == f"{path_a}/a/b"
    assert resolved.ttl_s == 300
    assert resolved.record == published.record


async def test_a_name_is_published_under_any_key(names, kit, path_a, path_b):
    blog = kit.keys.generate("blog")
    assert (await names.publish(path_a, key="blog")).name == blog.name
    assert (await names.publish(path_b, key=str(blog.name))).record.sequence == 1
    with pytest.raises(NotFound, match="wiki"):
        await names.publish(path_a, key="wiki")


async def test_a_new_value_takes_the_next_number(names, path_a, path_b):
    numbers = [(await names.publish(path)).record.sequence for path in (path_a, path_b, path_a)]
    assert numbers == [0, 1, 2]


async def test_the_same_value_keeps_its_number_and_lives_longer(names, clock, path_a):
    first = (await names.publish(path_a)).record
    assert (await names.publish(path_a)).record == first
    clock.turn(hours=1)
    second = (await names.publish(path_a)).record
    assert (second.sequence, second.validity_ns) == (0, first.validity_ns + HOUR_NS)


async def test_the_same_value_with_a_shorter_life_takes_the_next_number_or_nobody_would_believe_it(
    names, path_a
):
    first = (await names.publish(path_a)).record
    second = (await names.publish(path_a, lifetime_s=60)).record
    assert second.sequence == 1
    assert second.rank > first.rank


async def test_a_number_may_be_chosen_if_it_is_higher(names, path_a, path_b):
    assert (await names.publish(path_a, sequence=7)).record.sequence == 7
    for wrong in (7, 0, -1, 1 << 63):
        with pytest.raises(BadRequest, match="from 8 to 9223372036854775807"):
            await names.publish(path_b, sequence=wrong)
    assert (await names.publish(path_b)).record.sequence == 8


async def test_a_first_number_that_is_refused_leaves_nothing_published(names, kit, path_a):
    with pytest.raises(BadRequest, match="from 1"):
        await names.publish(path_a, sequence=0)
    assert list(names.kept.publications()) == []
    with pytest.raises(NotFound):
        await names.resolve(parse_path(f"/ipns/{kit.own.name}"))


@pytest.mark.parametrize(
    ("field", "seconds"),
    [("lifetime", 0), ("lifetime", -1), ("ttl", -1), ("lifetime", 1e30), ("ttl", float("nan"))],
)
async def test_a_span_that_makes_no_sense_is_refused(names, path_a, field, seconds):
    with pytest.raises(BadRequest) as caught:
        await names.publish(path_a, **{f"{field}_s": seconds})
    assert caught.value.field == field


async def test_lifetime_and_ttl_are_written_to_the_record(names, clock, path_a):
    record = (await names.publish(path_a, lifetime_s=90.5, ttl_s=0, v1=False)).record
    assert (record.validity_ns - clock(), record.ttl_ns, record.has_v1) == (90_500_000_000, 0, False)


# ---- resolving ------------------------------------------------------------------------------------------


async def test_names_that_lead_to_names_are_followed(names, kit, path_a):
    inner, outer = kit.keys.generate("inner"), kit.keys.generate("outer")
    await names.publish(path_a.joined(("x",)), key="inner", ttl_s=60)
    published = await names.publish(parse_path(f"/ipns/{inner.name}/y"), key="outer")
    path = parse_path(f"/ipns/{outer.name}/z")
    resolved = await names.resolve(path)
    assert str(resolved.path) == f"{path_a}/x/y/z"
    assert resolved.ttl_s == 60
    assert resolved.record == published.record
    one_step = await names.resolve(path, recursive=False)
    assert str(one_step.path) == f"/ipns/{inner.name}/y/z"
    assert one_step.ttl_s == 300


async def test_names_in_a_circle_end_in_an_error(names, kit):
    await names.publish(parse_path(f"/ipns/{kit.own.name}/x"))
    with pytest.raises(InvalidContent, match="more than 32 names"):
        await names.resolve(parse_path(f"/ipns/{kit.own.name}"))


async def test_the_depth_is_counted_in_names(names, kit, path_a):
    value = path_a
    for number in range(3):
        kit.keys.generate(f"key {number}")
        published = await names.publish(value, key=f"key {number}")
        value = parse_path(f"/ipns/{published.name}")
    assert (await names.resolve(value, max_depth=3)).path == path_a
    with pytest.raises(InvalidContent, match="more than 2 names"):
        await names.resolve(value, max_depth=2)


async def test_content_leads_to_itself_for_ever(names, path_a):
    assert await names.resolve(path_a) == (await names.resolve(path_a))
    assert (await names.resolve(path_a)).ttl_s is None


async def test_an_unknown_name_is_not_found(names):
    with pytest.raises(NotFound, match="name not found"):
        await names.resolve(parse_path(f"/ipns/{STRANGER.name}"))


async def test_an_expired_record_is_not_served(names, kit, clock, path_a):
    await names.publish(path_a, lifetime_s=3600)
    clock.turn(hours=1)
    assert (await names.resolve(parse_path(f"/ipns/{kit.own.name}"))).path == path_a
    clock.turn(hours=0.001)
    with pytest.raises(NotFound):
        await names.resolve(parse_path(f"/ipns/{kit.own.name}"))


async def test_the_number_after_an_expired_record_is_the_next(names, clock, path_a, path_b):
    await names.publish(path_a)
    clock.turn(hours=1000)
    assert (await names.publish(path_b)).record.sequence == 1


async def test_a_domain_is_not_looked_up_unless_that_is_on(names):
    with pytest.raises(NotSupported, match="CIDBUS_IPFS_DNSLINK"):
        await names.resolve(parse_path("/ipns/example.com"))


# ---- records of others ----------------------------------------------------------------------------------


async def test_a_record_that_arrives_is_kept_only_if_it_is_better(names, clock):
    older, newer = (signed(clock, sequence=number) for number in (1, 2))
    assert (await names.put(STRANGER.name, newer))[1]
    for raw in (older, newer):
        record, kept = await names.put(STRANGER.name, raw)
        assert (record.raw, kept) == (raw, False)
    assert (await names.record(STRANGER.name)).value.raw == newer


async def test_a_wrong_record_is_not_kept(names, clock, kit):
    raw = signed(clock)
    for name, content, error in (
        (kit.own.name, raw, InvalidContent),
        (STRANGER.name, raw[:-1], InvalidContent),
        (STRANGER.name, signed(clock, hours=-1), InvalidContent),
        (STRANGER.name, bytes(20_000), TooLarge),
    ):
        with pytest.raises(error):
            await names.put(name, content)
    assert names.kept.get(STRANGER.name) is None


async def test_a_full_node_keeps_no_more_names_of_others(names, clock, kit):
    names.kept._max_entries = 2
    strangers = [PrivateKey.generate() for _ in range(3)]
    for key in strangers[:2]:
        await names.put(key.name, signed(clock, key))
    with pytest.raises(StorageFull, match="2 names"):
        await names.put(strangers[2].name, signed(clock, strangers[2]))
    assert (await names.put(strangers[0].name, signed(clock, strangers[0], sequence=1)))[1]


async def test_expired_records_of_others_are_forgotten_and_own_ones_are_not(names, clock, kit, path_a):
    own = await names.publish(path_a, lifetime_s=60)
    await names.put(STRANGER.name, signed(clock))
    assert await names.kept.forget_expired() == 0
    clock.turn(hours=2)
    assert await names.kept.forget_expired() == 1
    assert names.kept.get(STRANGER.name) is None
    assert names.kept.get(own.name) == own.record


async def test_many_expired_records_are_forgotten(names, clock):
    strangers = [PrivateKey.generate() for _ in range(600)]
    await asyncio.gather(*(names.put(key.name, signed(clock, key)) for key in strangers))
    clock.turn(hours=2)
    await names.put(strangers[0].name, signed(clock, strangers[0]))
    assert await names.kept.forget_expired() == 599
    assert names.kept.valid(strangers[0].name)


# ---- routings -------------------------------------------------------------------------------------------


async def test_a_published_record_is_told_to_every_place(kit, new_place, path_a):
    places = [new_place("one"), new_place("two")]
    names = await kit.names(*places)
    published = await names.publish(path_a)
    assert published.told.published_to == ["one", "two"]
    assert all(place.records == {published.name: [published.record.raw]} for place in places)


async def test_a_place_that_fails_does_not_stop_the_others(kit, new_place, path_a):
    down, up = new_place("down"), new_place("up")
    down.down = True
    names = await kit.names(down, up)
    told = (await names.publish(path_a, allow_offline=False)).told
    assert (told.published_to, told.failed) == (["up"], {"down": "down is down"})


async def test_if_nobody_takes_a_record_that_is_an_error_unless_allowed(kit, place, path_a, path_b):
    place.down = True
    names = await kit.names(place)
    with pytest.raises(Unavailable, match="this node only"):
        await names.publish(path_a, allow_offline=False)
    assert (await names.resolve(parse_path(f"/ipns/{kit.own.name}"))).path == path_a
    assert (await names.publish(path_b)).told.failed


async def test_the_best_of_what_all_places_have_is_taken(kit, clock, new_place):
    places = [new_place(str(number)) for number in range(4)]
    best = signed(clock, sequence=3)
    places[0].records[STRANGER.name] = [
        signed(clock, sequence=1),
        b"junk",
        signed(clock, kit.own, sequence=9),
    ]
    places[1].records[STRANGER.name] = [signed(clock, sequence=9, hours=-1), best]
    places[2].down = True
    names = await kit.names(*places)
    assert (await names.record(STRANGER.name)).value.raw == best


async def test_what_is_kept_here_counts_too(kit, clock, place):
    names = await kit.names(place)
    await names.put(STRANGER.name, signed(clock, sequence=5))
    place.records[STRANGER.name] = [signed(clock, sequence=4)]
    assert (await names.record(STRANGER.name)).value.sequence == 5
    place.records[STRANGER.name] = [signed(clock, sequence=6)]
    assert (await names.record(STRANGER.name)).value.sequence == 5  # asked within the ttl
    assert (await names.record(STRANGER.name, nocache=True)).value.sequence == 6
    assert names.kept.get(STRANGER.name).sequence == 6


async def test_places_are_asked_again_after_the_ttl(kit, clock, place):
    names = await kit.names(place)
    place.records[STRANGER.name] = [signed(clock, ttl_ns=HOUR_NS // 2)]
    first = await names.record(STRANGER.name)
    clock.turn(hours=0.25)
    second = await names.record(STRANGER.name)
    assert (first.fresh_ns, second.fresh_ns, place.asked) == (HOUR_NS // 2, HOUR_NS // 4, 1)
    clock.turn(hours=0.25)
    await names.record(STRANGER.name)
    assert place.asked == 2


async def test_no_ttl_keeps_places_from_being_asked_for_more_than_an_hour(kit, clock, place):
    names = await kit.names(place)
    place.records[STRANGER.name] = [signed(clock, ttl_ns=1000 * HOUR_NS, hours=500)]
    await names.record(STRANGER.name)
    clock.turn(hours=1)
    await names.record(STRANGER.name)
    assert place.asked == 2


async def test_a_kept_record_is_served_while_places_are_down(kit, clock, place):
    names = await kit.names(place)
    raw = signed(clock)
    await names.put(STRANGER.name, raw)
    place.down = True
    assert (await names.record(STRANGER.name)).value.raw == raw


async def test_not_being_able_to_ask_is_not_the_same_as_not_found(kit, place):
    names = await kit.names(place)
    with pytest.raises(NotFound):
        await names.record(STRANGER.name)
    place.down = True
    with pytest.raises(Unavailable, match="could not be looked for"):
        await names.record(STRANGER.name)


async def test_a_place_that_never_answers_is_passed_over(kit, clock, place, new_place):
    class Silent(new_place):
        async def get(self, name):
            await asyncio.Event().wait()

    names = await kit.names(Silent("silent"), place, timeout_s=0.01)
    place.records[STRANGER.name] = [signed(clock)]
    assert await names.record(STRANGER.name)


async def test_a_place_with_a_bug_is_passed_over_and_logged(kit, clock, place, new_place, path_a, caplog):
    class Buggy(new_place):
        async def get(self, name):
            raise ZeroDivisionError

        async def put(self, name, record):
            raise ZeroDivisionError

    names = await kit.names(Buggy("buggy"), place)
    place.records[STRANGER.name] = [signed(clock)]
    assert await names.record(STRANGER.name)
    told = (await names.publish(path_a)).told
    assert (told.published_to, list(told.failed)) == (["router"], ["buggy"])
    assert "ZeroDivisionError" in caplog.text


async def test_a_key_that_was_used_elsewhere_goes_on_from_there(kit, clock, place, path_a):
    moved = kit.keys.generate("moved")
    place.records[moved.name] = [signed(clock, moved, sequence=41)]
    names = await kit.names(place)
    assert (await names.publish(path_a, key="moved")).record.sequence == 42


# ---- several at once ------------------------------------------------------------------------------------


async def test_publishers_at_once_never_share_a_number(names, kit):
    paths = [parse_path(f"/ipfs/bafkqaaa/{number}") for number in range(30)]
    published = await asyncio.gather(*(names.publish(path) for path in paths))
    assert sorted(each.record.sequence for each in published) == list(range(30))
    last = max(published, key=lambda each: each.record.sequence)
    assert names.kept.get(kit.own.name) == last.record


@pytest.mark.slow
async def test_processes_that_publish_at_once_never_lose_or_share_a_number(kit):
    kit.keys.generate("shared")
    workers = [kit.worker("publish", who, "40") for who in ("one", "two", "three")]
    for worker in workers:
        assert await asyncio.to_thread(worker.stdout.readline) == "ready\n"
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    outputs = [(await asyncio.to_thread(worker.communicate))[0] for worker in workers]
    assert sorted(int(line) for output in outputs for line in output.split()) == list(range(120))
