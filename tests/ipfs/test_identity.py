"""The node's own key: made once, kept to its owner, the same for every process."""

import stat
from concurrent.futures import ThreadPoolExecutor

from cidbus.actors.ipfs.identity import Identity
from cidbus.actors.ipfs.ipns.keys import PrivateKey


def test_a_node_is_the_same_after_a_restart(tmp_path):
    path = tmp_path / "identity.pem"
    first = Identity.open(path)
    assert first.peer_id.startswith("12D3Koo")
    assert Identity.open(path).public_key_base64 == first.public_key_base64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_of_many_that_make_a_key_at_once_all_get_the_same(tmp_path):
    path = tmp_path / "identity.pem"
    with ThreadPoolExecutor(8) as pool:
        found = {identity.peer_id for identity in pool.map(Identity.open, [path] * 16)}
    assert len(found) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_an_rsa_key_may_be_an_identity(tmp_path):
    path = tmp_path / "identity.pem"
    key = PrivateKey.generate("rsa")
    path.write_bytes(key.to_pem())
    assert Identity.open(path).peer_id == key.name.peer_id
