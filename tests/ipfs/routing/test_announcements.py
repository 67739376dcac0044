"""What nodes say of themselves is remembered for as long as they stand by it, within limits."""

from __future__ import annotations

from cidbus.actors.ipfs.routing.announcements import LIFETIME_S, Announcements
from cidbus.schemas.cid import CID, RAW
from cidbus.schemas.routing import Announced

ONE, TWO = CID.of(RAW, b"one"), CID.of(RAW, b"two")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def said(peer: str, *cids: CID | str, instance: str = "", lasts_s: float = 100.0) -> Announced:
    return Announced(
        peer_id=peer, instance=instance or peer, addrs=["/ip4/127.0.0.1/tcp/8000/http"], agent_version="cidbus/1",
        cids=[str(cid) for cid in cids], at=1000.0, expires_at=1000.0 + lasts_s,
    )  # fmt: skip


def ids(peers) -> list[str]:
    return [peer.peer_id for peer in peers]


def test_the_first_word_of_an_instance_is_new_and_the_second_is_not():
    heard = Announcements(clock=Clock())
    assert heard.hear(said("alice"))
    assert not heard.hear(said("alice", ONE))
    assert heard.hear(said("alice", instance="another process"))


def test_providers_are_found_by_multihash_whatever_the_cid_version():
    heard = Announcements(clock=Clock())
    heard.hear(said("alice", ONE))
    heard.hear(said("bob", ONE, TWO))
    assert ids(heard.providers(ONE)) == ["alice", "bob"]
    assert ids(heard.providers(CID(1, 0x71, TWO.multihash))) == ["bob"]


def test_an_announcement_expires():
    clock = Clock()
    heard = Announcements(clock=clock)
    heard.hear(said("alice", ONE, lasts_s=10))
    clock.now += 11
    assert ids(heard.providers(ONE)) == []
    assert heard.peer("alice") is None
    assert ids(heard.peers()) == []


def test_nobody_is_believed_for_ever():
    clock = Clock()
    heard = Announcements(clock=clock)
    heard.hear(said("alice", ONE, lasts_s=1e12))
    clock.now += LIFETIME_S + 1
    assert ids(heard.providers(ONE)) == []


def test_what_is_no_cid_is_left_out_and_the_rest_is_kept():
    heard = Announcements(clock=Clock())
    heard.hear(said("alice", "nonsense", ONE))
    assert ids(heard.providers(ONE)) == ["alice"]


def test_the_oldest_is_forgotten_when_there_is_too_much():
    heard = Announcements(clock=Clock(), max_provided=1)
    heard.hear(said("alice", ONE))
    heard.hear(said("alice", TWO))
    assert ids(heard.providers(ONE)) == []
    assert ids(heard.providers(TWO)) == ["alice"]
