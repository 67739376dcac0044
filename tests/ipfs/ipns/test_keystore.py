"""The folder of keys: names, files that only their owner may read, and processes that share it."""

import asyncio
import base64
import stat

import pytest

from cidbus.actors.ipfs.ipns.keys import PrivateKey
from cidbus.actors.ipfs.ipns.keystore import Keystore
from cidbus.schemas.errors import BadRequest, Conflict, NotFound


@pytest.fixture
def keys(kit) -> Keystore:
    return kit.keys


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_may_read_keys(keys, kit):
    keys.generate("blog")
    assert mode(kit.folder / "keys") == 0o700
    files = [path for path in (kit.folder / "keys").iterdir() if path.name != ".lock"]
    assert [mode(path) for path in files] == [0o600]


def test_a_file_is_named_and_written_as_kubo_does(keys, kit):
    key = keys.generate("blog")
    (path,) = (kit.folder / "keys").glob("key_*")
    assert path.name == "key_" + base64.b32encode(b"blog").decode().lower().rstrip("=")
    assert path.read_bytes() == key.encode()


def test_keys_are_listed_with_self_first_and_the_rest_in_order(keys, kit):
    made = {name: keys.generate(name) for name in ("wiki", "blog", "Ünïcode", "a b")}
    listed = list(keys.list())
    assert [found.name for found in listed] == ["self", "a b", "blog", "wiki", "Ünïcode"]
    assert listed[0].key.name == kit.own.name
    assert all(found.key.name == made[found.name].name for found in listed[1:])


def test_self_is_the_nodes_own_key(keys, kit):
    assert keys.get("self") is kit.own
    assert keys.find(kit.own.name.peer_id).name == "self"


def test_a_key_is_found_by_its_name_and_by_every_form_of_what_it_makes(keys):
    key = keys.generate("blog")
    for text in ("blog", str(key.name), key.name.peer_id, f"/ipns/{key.name}"):
        assert keys.find(text).key.name == key.name
    for text in ("wiki", str(PrivateKey.generate().name)):
        with pytest.raises(NotFound, match="key not found"):
            keys.find(text)


def test_a_taken_name_is_refused(keys):
    first = keys.generate("blog")
    with pytest.raises(Conflict, match="blog"):
        keys.generate("blog")
    with pytest.raises(Conflict, match="blog"):
        keys.import_key("blog", PrivateKey.generate().encode())
    assert keys.get("blog").name == first.name


def test_a_renamed_key_is_the_same_key(keys):
    key = keys.generate("blog")
    assert keys.rename("blog", "journal") is False
    assert keys.get("journal").name == key.name
    with pytest.raises(NotFound):
        keys.get("blog")


def test_renaming_onto_a_key_needs_force(keys):
    key = keys.generate("blog")
    keys.generate("wiki")
    with pytest.raises(Conflict, match="wiki"):
        keys.rename("blog", "wiki")
    assert keys.rename("blog", "wiki", force=True) is True
    assert [found.name for found in keys.list()] == ["self", "wiki"]
    assert keys.get("wiki").name == key.name


def test_renaming_a_key_to_its_own_name_keeps_it(keys):
    key = keys.generate("blog")
    assert keys.rename("blog", "blog", force=True) is False
    assert keys.get("blog").name == key.name


def test_what_is_not_there_cannot_be_renamed_or_removed(keys):
    for change in (
        lambda: keys.rename("blog", "wiki"),
        lambda: keys.remove("blog"),
        lambda: keys.export("blog"),
    ):
        with pytest.raises(NotFound, match="blog"):
            change()


def test_a_removed_key_is_gone(keys):
    key = keys.generate("blog")
    assert keys.remove("blog").name == key.name
    assert [found.name for found in keys.list()] == ["self"]


def test_an_exported_key_is_the_same_in_another_store(keys, tmp_path):
    key = keys.generate("blog", "rsa", 2048)
    other = Keystore(tmp_path / "other", PrivateKey.generate())
    for number, file_format in enumerate(("libp2p-protobuf-cleartext", "pem-pkcs8-cleartext")):
        name = f"key {number}"
        assert other.import_key(name, keys.export("blog", file_format), file_format).name == key.name


@pytest.mark.parametrize("change", ["generate", "remove", "export", "rename", "import"])
def test_self_is_neither_made_nor_changed_nor_exported(keys, change):
    keys.generate("blog")
    acts = {
        "generate": lambda: keys.generate("self"),
        "remove": lambda: keys.remove("self"),
        "export": lambda: keys.export("self"),
        "rename": lambda: keys.rename("blog", "self", force=True),
        "import": lambda: keys.import_key("self", PrivateKey.generate().encode()),
    }
    with pytest.raises(BadRequest, match="node's own key"):
        acts[change]()


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "/", "a\0b", "a\nb", "x" * 129, "ü" * 79, "\ud800"]
)
def test_a_name_that_no_key_may_have_is_refused(keys, name):
    for act in (keys.generate, keys.get, keys.remove):
        with pytest.raises(BadRequest) as caught:
            act(name)
        assert caught.value.field == "name"


def test_the_longest_name_fits_into_a_files_name(keys):
    for name in ("x" * 128, "ü" * 78):
        keys.generate(name)
        assert keys.get(name)


def test_files_that_hold_no_key_are_left_out(keys, kit, caplog):
    keys.generate("blog")
    folder = kit.folder / "keys"
    (folder / "README").write_text("not a key")
    (folder / "key_1").write_text("not base 32")
    (folder / "key_mjwg6").write_bytes(b"broken")
    assert [found.name for found in keys.list()] == ["self", "blog"]
    assert "left out" in caplog.text


def test_a_draft_left_by_a_crash_is_no_key(keys, kit):
    (kit.folder / "keys" / ".0123456789abcdef.draft").write_bytes(PrivateKey.generate().encode())
    assert [found.name for found in keys.list()] == ["self"]


async def test_of_two_processes_only_one_gets_a_name(kit):
    workers = [kit.worker("generate", "20") for _ in range(2)]
    for worker in workers:
        assert await asyncio.to_thread(worker.stdout.readline) == "ready\n"
    outputs = [await asyncio.to_thread(worker.communicate, "\n") for worker in workers]
    got = dict(line.rsplit(" ", 1) for output, _ in outputs for line in output.splitlines())
    assert sum(len(output.splitlines()) for output, _ in outputs) == len(got) == 20
    assert {f"key {number}": name for number, name in got.items()} == {
        found.name: str(found.key.name) for found in kit.keys.list() if found.name != "self"
    }
