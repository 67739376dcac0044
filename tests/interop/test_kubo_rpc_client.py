"""kubo-rpc-client, unmodified, finds a node that answers as Kubo does; where Kubo is there, it is asked too."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable

import pytest

from .node import INSTALL_S, Cid, ClientError, JavaScript

pytestmark = pytest.mark.timeout(INSTALL_S + 60)  # the first of them waits for npm

HELLO = b"Hello, IPFS!"
HELLO_V0 = Cid("QmZaEQdUN9aj2UXzac2QHgDq5k2PHm6kMi17zJpRwwgKnm")
HELLO_V1 = Cid("bafkreih43byuv2f6ils5kpsj2qwzbwgdd2pqzs6anwm3nhfrhlagqjektm")
EMPTY_DIRECTORY = Cid("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn")
ABSENT = Cid("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")
TREE = [
    {"path": "site/index.html", "content": b"<h1>hi</h1>"},
    {"path": "site/img/a.svg", "content": b"<svg/>"},
    {"path": "site/img/b ä.svg", "content": b"<svg></svg>"},
]


def numbers(size: int) -> bytes:
    """Bytes that tell their position."""
    return b"".join(number.to_bytes(4, "big") for number in range(size // 4))


# ---- add, cat, get, ls ----------------------------------------------------------------------------------


def test_a_file_is_added_with_kubos_own_cid(rpc: JavaScript):
    assert rpc("add", HELLO) == {"path": HELLO_V0, "cid": HELLO_V0, "size": 20}


def test_cid_version_1_means_raw_leaves(rpc: JavaScript):
    assert rpc("add", HELLO, cidVersion=1)["cid"] == HELLO_V1
    assert rpc("add", HELLO, cidVersion=1, rawLeaves=False)["cid"].startswith("bafybei")


def test_only_hash_stores_nothing(rpc: JavaScript):
    added = rpc("add", b"only hashed, never stored", onlyHash=True, rawLeaves=True)
    with pytest.raises(ClientError):
        rpc("block.get", added["cid"], offline=True)


def test_content_added_without_a_pin_is_not_pinned(rpc: JavaScript):
    added = rpc("add", b"not pinned", pin=False)
    with pytest.raises(ClientError, match="is not pinned"):
        rpc("pin.ls", paths=[added["cid"]])


def test_a_tree_is_added_children_first_and_the_root_last(rpc: JavaScript):
    added = rpc("addAll", TREE)
    paths = [entry["path"] for entry in added]
    assert sorted(paths) == ["site", "site/img", "site/img/a.svg", "site/img/b ä.svg", "site/index.html"]
    assert paths[-1] == "site"
    assert added[-1]["cid"] == "Qmb47a865ies9f3HhisYTZ33JMmk7N53rozRaPTeyMcwR7"


def test_a_wrapped_file_gets_a_directory_around_it(rpc: JavaScript):
    *_, root = rpc("addAll", [{"path": "hello.txt", "content": HELLO}], wrapWithDirectory=True)
    assert root["path"] == ""
    assert rpc.read("cat", f"/ipfs/{root['cid']}/hello.txt") == HELLO


def test_progress_is_told_while_content_is_added(rpc: JavaScript):
    seen: list[tuple[int, str]] = []
    content = numbers(3 << 20)
    rpc(
        "add", {"path": "big", "content": content}, progress=lambda count, name="": seen.append((count, name))
    )
    assert seen[-1] == (len(content), "big")
    assert seen == sorted(seen)


@pytest.mark.parametrize("options", [{}, {"cidVersion": 1}, {"chunker": "size-1000"}])
def test_what_was_added_can_be_read(rpc: JavaScript, options: dict[str, object]):
    content = numbers(1 << 20)
    added = rpc("add", content, **options)
    assert rpc.read("cat", added["cid"]) == content


def test_a_range_of_a_file_can_be_read(rpc: JavaScript):
    content = numbers(1 << 20)
    cid = rpc("add", content)["cid"]
    assert rpc.read("cat", cid, offset=300_000, length=1000) == content[300_000:301_000]
    assert rpc.read("cat", cid, offset=len(content) - 5) == content[-5:]
    assert rpc.read("cat", cid, length=3) == content[:3]


def test_a_file_in_a_tree_can_be_read_by_its_path(rpc: JavaScript):
    root = rpc("addAll", TREE)[-1]["cid"]
    assert rpc.read("cat", f"{root}/img/b ä.svg") == b"<svg></svg>"
    assert rpc.read("cat", f"/ipfs/{root}/index.html") == b"<h1>hi</h1>"


def test_a_tree_comes_back_as_a_tar_archive(rpc: JavaScript):
    root = rpc("addAll", TREE)[-1]["cid"]
    with tarfile.open(fileobj=io.BytesIO(rpc.read("get", root))) as archive:
        found = {
            member.name: archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive
            if member.isfile()
        }
    assert found == {f"{root}{entry['path'][4:]}": entry["content"] for entry in TREE}  # type: ignore[index]


def test_a_tree_comes_back_compressed_if_asked(rpc: JavaScript):
    root = rpc("addAll", TREE)[-1]["cid"]
    packed = rpc.read("get", root, archive=True, compress=True, compressionLevel=5)
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        assert f"{root}/img/a.svg" in archive.getnames()


def test_a_directory_is_listed(rpc: JavaScript):
    root = rpc("addAll", TREE)[-1]["cid"]
    listed = rpc("ls", root)
    assert [(entry["name"], entry["type"], entry["path"]) for entry in listed] == [
        ("img", "dir", f"{root}/img"),
        ("index.html", "file", f"{root}/index.html"),
    ]
    assert listed[1]["size"] == 11
    assert rpc.read("cat", listed[1]["cid"]) == b"<h1>hi</h1>"


def test_a_large_directory_is_listed(rpc: JavaScript):
    files = [{"path": f"many/{number:04}", "content": b"%d" % number} for number in range(300)]
    root = rpc("addAll", files)[-1]["cid"]
    assert [entry["name"] for entry in rpc("ls", root)] == [f"{number:04}" for number in range(300)]


def test_an_ipfs_path_is_resolved(rpc: JavaScript):
    added = {entry["path"]: entry["cid"] for entry in rpc("addAll", TREE)}
    assert rpc("resolve", f"/ipfs/{added['site']}/img/a.svg") == f"/ipfs/{added['site/img/a.svg']}"


def test_references_are_listed(rpc: JavaScript):
    added = {entry["path"]: entry["cid"] for entry in rpc("addAll", TREE)}
    below = [added["site/img"], added["site/img/a.svg"], added["site/img/b ä.svg"], added["site/index.html"]]
    assert refs(rpc, "refs", added["site"]) == [added["site/img"], added["site/index.html"]]
    assert refs(rpc, "refs", added["site"], recursive=True) == below


def test_every_block_here_is_listed(rpc: JavaScript):
    cid = rpc("block.put", b"a block among all", format="raw")
    assert cid in refs(rpc, "refs.local")


def refs(rpc: JavaScript, method: str, *arguments: str, **options: bool) -> list[str]:
    found = rpc(method, *arguments, **options)
    assert not any(ref["err"] for ref in found)
    return [ref["ref"] for ref in found]


# ---- pins -----------------------------------------------------------------------------------------------


def test_a_pin_keeps_its_name(rpc: JavaScript):
    cid = rpc("add", b"pinned by name", pin=False)["cid"]
    assert rpc("pin.add", cid, name="mine") == cid
    assert rpc("pin.ls", paths=[cid], names=True) == [{"type": "recursive", "cid": cid, "name": "mine"}]
    assert rpc("pin.ls", name="mine") == [{"type": "recursive", "cid": cid, "name": "mine"}]
    rpc("pin.rm", cid)


def test_pins_are_listed_by_type(rpc: JavaScript):
    root = rpc("addAll", TREE)[-1]["cid"]
    leaf = rpc("ls", root)[1]["cid"]
    direct = rpc("add", b"pinned directly", pin=False)["cid"]
    rpc("pin.add", direct, recursive=False)

    def pinned(kind: str) -> set[str]:
        return {pin["cid"] for pin in rpc("pin.ls", type=kind)}

    assert root in pinned("recursive")
    assert direct in pinned("direct")
    assert leaf in pinned("indirect")
    assert {root, direct, leaf} <= pinned("all")


def test_a_removed_pin_is_gone_and_cannot_be_removed_again(rpc: JavaScript):
    cid = rpc("add", b"pinned for a while")["cid"]
    assert rpc("pin.rm", cid) == cid
    with pytest.raises(ClientError, match="not pinned or pinned indirectly") as error:
        rpc("pin.rm", cid)
    assert error.value.status == 500


def test_many_pins_are_made_and_removed_at_once(rpc: JavaScript):
    cids = [rpc("add", b"many pins %d" % number, pin=False)["cid"] for number in range(3)]
    assert rpc("pin.addAll", cids) == cids
    assert rpc("pin.rmAll", cids) == cids


# ---- blocks ---------------------------------------------------------------------------------------------


def test_a_block_is_put_read_measured_and_removed(rpc: JavaScript):
    cid = rpc("block.put", b"a block", format="raw")
    assert cid == "bafkreieszcozqu5c6vyw2krdmm7ina227ks5iijvqdn64cce6u3wpuutza"
    assert rpc("block.get", cid) == b"a block"
    assert rpc("block.stat", cid) == {"cid": cid, "size": 7}
    assert rpc("block.rm", cid) == [{"cid": cid}]
    with pytest.raises(ClientError, match="not found"):
        rpc("block.stat", cid, offline=True)


def test_a_pinned_block_is_not_removed(rpc: JavaScript):
    cid = rpc("block.put", b"a pinned block", format="raw", pin=True)
    [removed] = rpc("block.rm", cid)
    assert "pinned" in str(removed["error"])


@pytest.mark.parametrize(
    ("mhtype", "prefix"), [("sha2-512", "bafkrgq"), ("sha3-512", "bafkriq"), ("blake2b-256", "bafk2b")]
)
def test_blocks_are_put_under_other_hashes(rpc: JavaScript, mhtype: str, prefix: str):
    cid = rpc("block.put", b"another hash", format="raw", mhtype=mhtype)
    assert cid.startswith(prefix)
    assert rpc("block.get", cid) == b"another hash"


# ---- DAGs -----------------------------------------------------------------------------------------------


def test_a_node_is_put_and_read_with_its_links(rpc: JavaScript):
    leaf = rpc("dag.put", {"n": 1, "bytes": b"\x00\xff", "list": [None, True, "ä", 1.5]})
    root = rpc("dag.put", {"leaf": leaf, "deep": {"er": [leaf]}})
    assert root.startswith("bafyrei")
    assert rpc("dag.get", root)["value"] == {"leaf": leaf, "deep": {"er": [leaf]}}
    assert rpc("dag.get", root, path="/deep/er/0/list/2")["value"] == "ä"


def test_a_node_can_be_stored_as_dag_json(rpc: JavaScript):
    cid = rpc("dag.put", {"b": 1, "a": HELLO_V1}, storeCodec="dag-json")
    assert cid.startswith("baguqee")
    assert rpc("block.get", cid) == b'{"a":{"/":"%s"},"b":1}' % HELLO_V1.encode()


def test_a_path_through_nodes_is_resolved(rpc: JavaScript):
    leaf = rpc("dag.put", {"a": {"b": 1}})
    root = rpc("dag.put", {"leaf": leaf})
    assert rpc("dag.resolve", root, path="/leaf/a/b") == {"cid": leaf, "remainderPath": "/a/b"}
    assert rpc("dag.resolve", f"/ipfs/{root}") == {"cid": root, "remainderPath": ""}


def test_a_dag_goes_out_and_in_again_as_a_car_file(rpc: JavaScript):
    root = rpc("addAll", TREE, pin=False)[-1]["cid"]
    car = rpc.read("dag.export", root)
    rpc("repo.gc")
    assert rpc("dag.import", [car]) == [{"root": {"cid": root, "pinErrorMsg": ""}}]
    assert rpc("pin.ls", paths=[root]) == [{"type": "recursive", "cid": root}]
    assert rpc.read("cat", f"/ipfs/{root}/img/a.svg") == b"<svg/>"
    assert rpc.read("dag.export", root) == car


def test_a_car_file_can_be_imported_without_pins(rpc: JavaScript):
    root = rpc("add", b"not to be pinned", pin=False)["cid"]
    assert rpc("dag.import", [rpc.read("dag.export", root)], pinRoots=False) == []
    with pytest.raises(ClientError, match="is not pinned"):
        rpc("pin.ls", paths=[root])


# ---- names ----------------------------------------------------------------------------------------------


@pytest.fixture
def key(rpc: JavaScript) -> Callable[[str], dict[str, str]]:
    """Makes a key, once."""

    def generate(name: str) -> dict[str, str]:
        if name in [known["name"] for known in rpc("key.list")]:
            rpc("key.rm", name)
        made: dict[str, str] = rpc("key.gen", name)
        return made

    return generate


def test_keys_are_made_listed_renamed_and_removed(rpc: JavaScript):
    made = rpc("key.gen", "one", type="ed25519")
    assert made["name"] == "one"
    assert made["id"].startswith("k51")
    assert made in rpc("key.list")
    renamed = rpc("key.rename", "one", "two")
    assert renamed == {"id": made["id"], "was": "one", "now": "two", "overwrite": False}
    assert rpc("key.rm", "two") == {"id": made["id"], "name": "two"}
    assert "two" not in [known["name"] for known in rpc("key.list")]


def test_the_nodes_own_key_is_called_self(rpc: JavaScript):
    assert "self" in [known["name"] for known in rpc("key.list")]


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("key.gen", ("self",), "cannot create key with name 'self'"),
        ("key.rm", ("nobody",), "no key by the given name was found|no key named nobody was found"),
        ("key.rename", ("nobody", "somebody"), "no key named nobody was found"),
        ("key.rename", ("self", "somebody"), "cannot rename key with name 'self'"),
        ("key.rename", ("nobody", "self"), "cannot overwrite key with name 'self'"),
        ("key.rm", ("self",), "cannot remove key with name 'self'"),
    ],
)
def test_what_keys_cannot_do_is_said_as_kubo_says_it(
    rpc: JavaScript, method: str, arguments: tuple[str, ...], message: str
):
    with pytest.raises(ClientError, match=message):
        rpc(method, *arguments)


def test_a_name_is_published_and_resolved(rpc: JavaScript, key: Callable[[str], dict[str, str]]):
    name = key("site")["id"]
    root = rpc("addAll", TREE)[-1]["cid"]
    published = rpc("name.publish", root, key="site", allowOffline=True, resolve=False)
    assert published == {"name": name, "value": f"/ipfs/{root}"}
    assert rpc("name.resolve", name) == [f"/ipfs/{root}"]
    assert rpc("resolve", f"/ipns/{name}/img") == f"/ipfs/{rpc('ls', root)[0]['cid']}"
    assert rpc.read("cat", f"/ipns/{name}/img/a.svg") == b"<svg/>"


def test_a_name_points_where_it_was_last_published(rpc: JavaScript, key: Callable[[str], dict[str, str]]):
    name = key("moving")["id"]
    for content in (b"first", b"second"):
        cid = rpc("add", content)["cid"]
        rpc("name.publish", cid, key="moving", allowOffline=True, lifetime="1h", ttl="1m")
    assert rpc("name.resolve", f"/ipns/{name}", nocache=True) == [f"/ipfs/{cid}"]


# ---- the node -------------------------------------------------------------------------------------------


def test_the_node_says_who_it_is(rpc: JavaScript):
    who = rpc("id")
    assert who["id"].startswith("12D3Koo")
    assert who["agentVersion"].startswith(("kubo/", "cidbus/"))


def test_the_version_has_kubos_fields(rpc: JavaScript):
    version = rpc("version")
    assert {"version", "commit", "repo", "system", "golang"} <= set(version)


def test_the_repository_is_measured_in_numbers(rpc: JavaScript):
    stat = rpc("repo.stat")
    assert stat["numObjects"] > 0
    assert stat["repoSize"] > 0
    assert stat["storageMax"] > 0
    assert isinstance(stat["repoPath"], str)


def test_what_no_pin_keeps_is_collected(rpc: JavaScript):
    kept = rpc("add", b"kept by its pin")["cid"]
    loose = rpc("add", b"kept by nothing", pin=False)["cid"]
    rpc("repo.gc")
    assert rpc("block.get", kept)
    with pytest.raises(ClientError):
        rpc("block.get", loose, offline=True)


# ---- errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("cat", (EMPTY_DIRECTORY,), "this dag node is a directory"),
        ("cat", ("no-cid",), "invalid path"),
        ("cat", (f"/ipfs/{EMPTY_DIRECTORY}/nothing",), 'no link named "nothing" under'),
        ("ls", ("/ipfs/nonsense",), "invalid"),
        ("block.put", (b"x", {"format": "no-such-codec"}), 'unknown multicodec: "no-such-codec"'),
        (
            "name.publish",
            (HELLO_V0, {"key": "nobody", "allowOffline": True}),
            "no key by the given name was found",
        ),
    ],
)
def test_an_error_says_what_kubo_says(
    rpc: JavaScript, method: str, arguments: tuple[object, ...], message: str
):
    rpc("add", HELLO)
    rpc("addAll", [{"path": "empty"}])
    with pytest.raises(ClientError, match=message) as error:
        rpc(method, *arguments)
    assert error.value.status == 500


def test_a_block_that_is_not_here_is_not_found(rpc: JavaScript):
    with pytest.raises(
        ClientError, match=f"block was not found locally.*{ABSENT}|ipld: could not find {ABSENT}"
    ):
        rpc("block.get", ABSENT, offline=True)


# ---- what is not offered: only this system is asked ------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        (
            "pubsub.publish",
            ("topic", b"message"),
            "pubsub/pub: pubsub is not offered; cidbus tells of events at",
        ),
        ("bitswap.wantlist", (), "bitswap/wantlist: this node speaks no bitswap"),
        ("add", (HELLO, {"trickle": True}), "trickle: files are laid out balanced, not as trickle DAGs"),
        ("add", (HELLO, {"chunker": "rabin"}), "chunker: rabin is not offered, only size-<bytes>"),
    ],
)
def test_what_is_not_offered_is_an_error_that_names_it(
    cidbus_rpc: JavaScript, method: str, arguments: tuple[object, ...], message: str
):
    with pytest.raises(ClientError, match=message) as error:
        cidbus_rpc(method, *arguments)
    assert error.value.status == 501


def test_a_node_alone_has_no_peers_and_knows_of_no_providers(cidbus_rpc: JavaScript):
    assert cidbus_rpc("swarm.peers") == []
    assert cidbus_rpc("routing.findProvs", ABSENT) == []
