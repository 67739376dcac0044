"""The republisher: published names stay alive, through restarts, failures and other processes."""

import asyncio

import pytest

from cidbus.actors.ipfs.ipns.republisher import Republisher
from cidbus.actors.ipfs.paths import parse_path
from cidbus.schemas.errors import NotFound

HOUR_NS = 3600 * 10**9


async def test_a_name_is_renewed_every_four_hours_with_the_same_value_and_number(names, clock, path_a):
    first = await names.publish(path_a, ttl_s=60)
    republisher = Republisher(names, clock)
    clock.turn(hours=3.9)
    assert (await republisher.round()).renewed == []
    clock.turn(hours=0.2)
    assert (await republisher.round()).renewed == [first.name]
    renewed = names.kept.get(first.name)
    assert (renewed.value, renewed.sequence, renewed.ttl_ns) == (first.record.value, 0, 60 * 10**9)
    assert renewed.validity_ns == clock() + 48 * HOUR_NS
    assert (await republisher.round()).renewed == []


async def test_a_published_name_survives_a_restart_and_is_renewed_before_it_expires(kit, clock, path_a):
    published = await (await kit.names()).publish(path_a, lifetime_s=24 * 3600)
    await kit.close()
    names = await kit.names()
    path = parse_path(f"/ipns/{published.name}")
    assert (await names.resolve(path)).path == path_a
    for _ in range(30):
        clock.turn(hours=4)
        await Republisher(names, clock).round()
        assert (await names.resolve(path)).path == path_a
    assert names.kept.get(published.name).sequence == 0


async def test_a_short_life_is_renewed_more_often(names, clock, path_a):
    published = await names.publish(path_a, lifetime_s=3600)
    for _ in range(10):
        clock.turn(hours=1 / 3)
        assert (await Republisher(names, clock).round()).renewed == [published.name]
        assert names.kept.valid(published.name)


async def test_a_name_whose_node_was_off_too_long_comes_back(kit, clock, path_a):
    published = await (await kit.names()).publish(path_a)
    await kit.close()
    clock.turn(hours=1000)
    names = await kit.names()
    with pytest.raises(NotFound):
        await names.record(published.name)
    await Republisher(names, clock).round()
    assert (await names.record(published.name)).value.sequence == 0


async def test_a_longer_life_is_not_cut(names, clock, path_a):
    published = await names.publish(path_a, lifetime_s=1000 * 3600)
    await names.publish(path_a, lifetime_s=2000 * 3600)
    long = names.kept.get(published.name).validity_ns
    await names.kept.set_publication(
        published.name, type(names.kept.publication(published.name))(HOUR_NS, clock())
    )
    await Republisher(names, clock).round()
    assert names.kept.get(published.name).validity_ns == long


async def test_a_failing_place_stops_nobody_and_is_tried_again_soon(kit, clock, new_place, path_a):
    down, up = new_place("down"), new_place("up")
    names = await kit.names(down, up)
    kit.keys.generate("blog")
    own, blog = (await names.publish(path_a)).name, (await names.publish(path_a, key="blog")).name
    clock.turn(hours=4)
    down.down = True
    done = await Republisher(names, clock).round()
    assert set(done.renewed) == {own, blog}
    assert done.refused == {name: {"down": "down is down"} for name in (own, blog)}
    assert up.records[own] == [names.kept.get(own).raw]
    down.down = False
    clock.turn(hours=0.1)
    assert set((await Republisher(names, clock).round()).renewed) == {own, blog}
    assert down.records[own] == [names.kept.get(own).raw]


async def test_a_name_without_its_key_is_given_up_and_the_others_are_not(names, kit, clock, path_a):
    kit.keys.generate("blog")
    own, blog = (await names.publish(path_a)).name, (await names.publish(path_a, key="blog")).name
    kit.keys.remove("blog")
    clock.turn(hours=5)
    done = await Republisher(names, clock).round()
    assert done.renewed == [own]
    assert list(done.failed) == [blog]
    assert [name for name, _ in names.kept.publications()] == [own]


async def test_a_renamed_key_goes_on_being_renewed(names, kit, clock, path_a):
    kit.keys.generate("blog")
    blog = (await names.publish(path_a, key="blog")).name
    kit.keys.rename("blog", "journal")
    clock.turn(hours=5)
    assert (await Republisher(names, clock).round()).renewed == [blog]


async def test_of_two_processes_on_a_store_one_renews(kit, clock, path_a):
    services = [await kit.names(), await kit.names()]
    name = (await services[0].publish(path_a)).name
    clock.turn(hours=5)
    rounds = await asyncio.gather(*(Republisher(names, clock).round() for names in services))
    assert [each for done in rounds for each in done.renewed] == [name]


async def test_records_of_others_are_not_renewed(kit, clock, tmp_path, path_a):
    other = type(kit)(tmp_path / "other", clock)
    published = await (await other.names()).publish(path_a)
    await other.close()
    names = await kit.names()
    await names.put(published.name, published.record.raw)
    clock.turn(hours=40)
    assert (await Republisher(names, clock).round()).renewed == []
    clock.turn(hours=10)
    await Republisher(names, clock).round()
    assert names.kept.get(published.name) is None


async def test_it_runs_on_after_a_failure(kit, clock, path_a, caplog):
    names = await kit.names()
    name = (await names.publish(path_a)).name
    first = names.kept.get(name)
    broken = asyncio.Event()
    rounds = 0

    async def pause(seconds: float) -> None:
        nonlocal rounds
        rounds += 1
        clock.turn(hours=5)
        if rounds == 3:
            raise asyncio.CancelledError
        broken.set()

    real = names.kept.publications

    def publications():
        if not broken.is_set():
            raise OSError("the disk went away")
        return real()

    names.kept.publications = publications
    with pytest.raises(asyncio.CancelledError):
        await Republisher(names, clock).run(pause)
    assert "the disk went away" in caplog.text
    assert names.kept.get(name).validity_ns > first.validity_ns
