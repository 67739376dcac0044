"""The same operations on this system and on other nodes, through kubo-rpc-client: every difference has a reason.

A difference without a reason fails, and so does a reason without a difference. The other nodes are a real Kubo,
where there is one, and js-ipfs, which npm has.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from kubo_daemon import kubo_binary

from .node import INSTALL_S, Cid, ClientError, JavaScript

pytestmark = pytest.mark.timeout(INSTALL_S + 60)  # the first of them waits for npm

TREE = [
    {"path": "tree/a.txt", "content": b"a"},
    {"path": "tree/deep/b.txt", "content": b"b" * 300_000},
    {"path": "tree/deep/empty.txt", "content": b""},
]
ABSENT = Cid("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")
ABSENT_NAME = "k51qzi5uqu5dgutdk6i1ynyzgkqngpha5xpgia3a5qqp4jsh0u4csozksxel2r"
EMPTY_DIRECTORY = Cid("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn")
OTHER_PEER = "12D3KooWP9k8sQFaWo28ywBqNwyWbxXR3kSnbwA4o8zPcyJs7w58"

OPERATIONS: dict[str, Callable[[JavaScript], Any]] = {
    # ---- add ------------------------------------------------------------------------------------------------
    "add": lambda rpc: rpc("add", b"text"),
    "add an empty file": lambda rpc: rpc("add", b""),
    "add a large file": lambda rpc: rpc("add", bytes(range(251)) * 10_000),
    "add a tree": lambda rpc: rpc("addAll", TREE),
    "add an empty directory": lambda rpc: rpc("addAll", [{"path": "empty"}]),
    "add as CID version 1": lambda rpc: rpc("add", b"text", cidVersion=1),
    "add with raw leaves": lambda rpc: rpc("add", bytes(600_000), rawLeaves=True),
    "add in small chunks": lambda rpc: rpc("add", bytes(range(200)) * 50, chunker="size-100"),
    "add in rabin's chunks": lambda rpc: rpc("add", bytes(range(251)) * 4_000, chunker="rabin"),
    "add by another hash": lambda rpc: rpc("add", b"text", hashAlg="sha2-512"),
    "add as a trickle DAG": lambda rpc: rpc("add", bytes(range(200)) * 50, chunker="size-100", trickle=True),
    "add with wrapping": lambda rpc: rpc("addAll", [{"path": "a", "content": b"a"}], wrapWithDirectory=True),
    "add inline": lambda rpc: rpc("add", b"short", inline=True, cidVersion=1),
    "add with a mode": lambda rpc: rpc("add", {"path": "x", "content": b"x", "mode": 0o755}),
    "add with a time": lambda rpc: rpc(
        "add", {"path": "x", "content": b"x", "mtime": {"secs": 5, "nsecs": 6}}
    ),
    "add only the hash": lambda rpc: rpc("add", b"hashed", onlyHash=True),
    "add by no known hash": lambda rpc: rpc("add", b"x", hashAlg="none"),
    "add by no known chunker": lambda rpc: rpc("add", b"x", chunker="none"),
    # ---- read -----------------------------------------------------------------------------------------------
    "cat": lambda rpc: rpc.read("cat", rpc("add", b"to read")["cid"]),
    "cat a range": lambda rpc: rpc.read("cat", rpc("add", b"to read")["cid"], offset=3, length=2),
    "cat from behind the end": lambda rpc: rpc.read("cat", rpc("add", b"to read")["cid"], offset=100),
    "cat by path": lambda rpc: rpc.read("cat", f"{tree(rpc)}/deep/b.txt"),
    "cat a directory": lambda rpc: rpc.read("cat", tree(rpc)),
    "cat what is not in a directory": lambda rpc: rpc.read("cat", f"{tree(rpc)}/nothing"),
    "cat no CID": lambda rpc: rpc.read("cat", "no-cid"),
    "cat an inline CID": lambda rpc: rpc.read("cat", Cid("bafkqablumvzxi")),
    "get": lambda rpc: members(rpc.read("get", tree(rpc)), tree(rpc)),
    "get compressed": lambda rpc: members(rpc.read("get", tree(rpc), archive=True, compress=True), tree(rpc)),
    "ls": lambda rpc: rpc("ls", tree(rpc)),
    "ls by path": lambda rpc: rpc("ls", f"/ipfs/{tree(rpc)}/deep"),
    "ls a file": lambda rpc: rpc("ls", rpc("add", b"text")["cid"]),
    "ls the empty directory": lambda rpc: rpc("ls", EMPTY_DIRECTORY),
    "refs": lambda rpc: rpc("refs", tree(rpc)),
    "refs below": lambda rpc: rpc("refs", tree(rpc), recursive=True, unique=True),
    "refs with edges": lambda rpc: rpc("refs", tree(rpc), recursive=True, edges=True),
    "resolve": lambda rpc: rpc("resolve", f"/ipfs/{tree(rpc)}/deep/b.txt"),
    "resolve what is not there": lambda rpc: rpc("resolve", f"/ipfs/{tree(rpc)}/nothing"),
    # ---- blocks, DAGs ---------------------------------------------------------------------------------------
    "block put": lambda rpc: rpc("block.put", b"block"),
    "block put as dag-cbor": lambda rpc: rpc("block.put", b"\xa0", format="dag-cbor"),
    "block put by no known codec": lambda rpc: rpc("block.put", b"block", format="none"),
    "block put by another hash": lambda rpc: rpc("block.put", b"block", mhtype="sha3-256"),
    "block get": lambda rpc: rpc("block.get", rpc("block.put", b"block")),
    "block stat": lambda rpc: rpc("block.stat", rpc("block.put", b"block")),
    "block rm": lambda rpc: rpc("block.rm", rpc("block.put", b"to remove")),
    "block rm of none": lambda rpc: rpc("block.rm", ABSENT),
    "block rm of a pinned one": lambda rpc: rpc("block.rm", rpc("block.put", b"pinned block", pin=True)),
    "dag put": lambda rpc: rpc("dag.put", {"b": 1, "a": [None, 1.5, b"x", ABSENT]}),
    "dag put as dag-json": lambda rpc: rpc("dag.put", {"b": 1, "a": ABSENT}, storeCodec="dag-json"),
    "dag get": lambda rpc: rpc("dag.get", rpc("dag.put", {"a": {"b": [7]}})),
    "dag get by path": lambda rpc: rpc("dag.get", rpc("dag.put", {"a": {"b": [7]}}), path="/a/b/0"),
    "dag get of a directory": lambda rpc: rpc("dag.get", tree(rpc)),
    "dag resolve": lambda rpc: rpc("dag.resolve", rpc("dag.put", {"a": {"b": 7}}), path="/a/b"),
    "dag resolve through UnixFS": lambda rpc: rpc("dag.resolve", f"{tree(rpc)}/deep/b.txt"),
    "dag export": lambda rpc: rpc.read("dag.export", tree(rpc)),
    "dag import": lambda rpc: rpc("dag.import", [rpc.read("dag.export", tree(rpc))]),
    "dag import without pins": lambda rpc: rpc(
        "dag.import", [rpc.read("dag.export", tree(rpc))], pinRoots=False
    ),
    "dag import of no CAR": lambda rpc: rpc("dag.import", [b"nonsense"]),
    # ---- pins -----------------------------------------------------------------------------------------------
    "pin add": lambda rpc: rpc("pin.add", rpc("add", b"to pin", pin=False)["cid"]),
    "pin add of what is not here": lambda rpc: rpc("pin.add", ABSENT, timeout=1_000),
    "pin ls": lambda rpc: rpc("pin.ls", paths=[rpc("add", b"pinned")["cid"]]),
    "pin ls of a name": lambda rpc: named(rpc, "a name"),
    "pin ls of what a tree keeps": lambda rpc: rpc("pin.ls", paths=[rpc("ls", tree(rpc))[0]["cid"]]),
    "pin ls of what is not pinned": lambda rpc: rpc("pin.ls", paths=[rpc("add", b"loose", pin=False)["cid"]]),
    "pin ls of no known type": lambda rpc: rpc("pin.ls", type="none"),
    "pin rm": lambda rpc: rpc("pin.rm", rpc("add", b"pinned")["cid"]),
    "pin rm of what is not pinned": lambda rpc: rpc("pin.rm", rpc("add", b"loose", pin=False)["cid"]),
    "pin services": lambda rpc: rpc("pin.remote.service.ls"),
    # ---- names ----------------------------------------------------------------------------------------------
    "key gen": lambda rpc: shape(key(rpc, "made")),
    "key gen of RSA": lambda rpc: shape(key(rpc, "rsa", type="rsa", size=2048)),
    "key gen of self": lambda rpc: rpc("key.gen", "self"),
    "key gen of a path": lambda rpc: shape(key(rpc, "a/b")),
    "key gen twice": lambda rpc: (key(rpc, "twice"), rpc("key.gen", "twice")),
    "key list": lambda rpc: shape(rpc("key.list")),
    "key rename": lambda rpc: renamed(rpc, "before", "after"),
    "key rename of none": lambda rpc: rpc("key.rename", "nobody", "somebody"),
    "key rm of none": lambda rpc: rpc("key.rm", "nobody"),
    "name publish": lambda rpc: shape(publish(rpc, "published")),
    "name publish by no key": lambda rpc: rpc(
        "name.publish", EMPTY_DIRECTORY, key="nobody", allowOffline=True
    ),
    "name publish of no path": lambda rpc: rpc("name.publish", "nonsense", allowOffline=True),
    "name resolve": lambda rpc: rpc("name.resolve", publish(rpc, "resolved")["name"]),
    "name resolve of none": lambda rpc: rpc("name.resolve", ABSENT_NAME),
    "resolve below a name": lambda rpc: rpc(
        "resolve", f"/ipns/{publish(rpc, 'resolved')['name']}/deep/b.txt"
    ),
    # ---- the node -------------------------------------------------------------------------------------------
    "id": lambda rpc: shape(rpc("id")),
    "version": lambda rpc: shape(rpc("version")),
    "repo stat": lambda rpc: shape(rpc("repo.stat")),
    "repo gc": lambda rpc: collected(rpc),
    "repo version": lambda rpc: shape(rpc("repo.version")),
    "stats repo": lambda rpc: shape(rpc("stats.repo")),
    "stats bw": lambda rpc: shape(rpc("stats.bw")),
    "bitswap stat": lambda rpc: shape(rpc("bitswap.stat")),
    "bootstrap list": lambda rpc: rpc("bootstrap.list"),
    "commands": lambda rpc: shape(rpc("commands")),
    "config get": lambda rpc: shape(rpc("config.get", "Addresses.API")),
    "config set": lambda rpc: rpc("config.set", "Addresses.Announce", []),
    "diag cmds": lambda rpc: shape(rpc("diag.cmds")),
    "log ls": lambda rpc: shape(rpc("log.ls")),
    "swarm peers": lambda rpc: rpc("swarm.peers"),
    "swarm addrs": lambda rpc: shape(rpc("swarm.addrs")),
    "swarm localAddrs": lambda rpc: shape(rpc("swarm.localAddrs")),
    "swarm connect": lambda rpc: rpc("swarm.connect", f"/ip4/127.0.0.1/tcp/1/p2p/{OTHER_PEER}"),
    "routing findProvs": lambda rpc: rpc("routing.findProvs", ABSENT),
    "routing findPeer": lambda rpc: rpc("routing.findPeer", OTHER_PEER),
    "ping": lambda rpc: rpc("ping", OTHER_PEER, count=1),
    "pubsub ls": lambda rpc: rpc("pubsub.ls"),
    "pubsub publish": lambda rpc: rpc("pubsub.publish", "topic", b"message"),
    "files stat": lambda rpc: rpc("files.stat", "/"),
    "files write": lambda rpc: rpc("files.write", "/file", b"content", create=True),
}

# ---- what is different, and why ------------------------------------------------------------------------------

BALANCED = "files are laid out balanced, in chunks of one size, which every reader understands"
NO_INLINE = "blocks are not put inside their CIDs"
NO_MODES = "modes and times are not kept: the same bytes always give the same CID"
OWN_TREE = "the tree's directories have CIDs of version 1, and no mode that nobody gave them"
NO_LIBP2P = "the node opens no libp2p connections: it speaks on the bus and over HTTP"
NO_PUBSUB = "events are offered over WebSockets and on the bus instead"
OWN_CONFIG = "settings are made where processes are started; the RPC only reads them"
OWN_COMMANDS = "the list has the commands that are here"
COUNTED = "collected blocks are counted, not named: there can be millions"

WORDS = "says more precisely what is wrong"
OFFLINE = "a Kubo that is offline refuses; this node asks what it was told of, here nobody"

DIFFERENT_FROM_KUBO: dict[str, str] = {
    "add in rabin's chunks": BALANCED,
    "add as a trickle DAG": BALANCED,
    "add inline": NO_INLINE,
    "add with a mode": "Kubo repeats the mode, which it does not keep either",
    "add with a time": "Kubo repeats the time, which it does not keep either",
    "cat no CID": WORDS,
    "dag import of no CAR": WORDS,
    "key gen of a path": "a key's name is a file's name in Kubo's older releases, and stays one here",
    "name publish of no path": WORDS,
    "name resolve of none": "Kubo streams, and ends without a name and without an error",
    "id": "Kubo has no addresses and protocols while it is offline; this node has addresses and no protocols",
    "repo gc": COUNTED,
    "stats bw": NO_LIBP2P,
    "bitswap stat": NO_LIBP2P,
    "commands": OWN_COMMANDS,
    "config set": OWN_CONFIG,
    "diag cmds": OWN_CONFIG,
    "log ls": OWN_CONFIG,
    "swarm peers": OFFLINE,
    "swarm addrs": OFFLINE,
    "swarm localAddrs": OFFLINE,
    "swarm connect": NO_LIBP2P,
    "routing findProvs": OFFLINE,
    "routing findPeer": OFFLINE,
    "ping": NO_LIBP2P,
    "pubsub ls": NO_PUBSUB,
    "pubsub publish": NO_PUBSUB,
    "files stat": OWN_TREE,
}

MODES = "js-ipfs tells the mode of everything"
NO_ERR = "js-ipfs leaves out an empty Err, which Kubo sends"
DAG_PB = "js-ipfs takes a block to be dag-pb if nobody says what it is; Kubo takes it to be raw"
UNNAMED = "js-ipfs knows no names of pins"

DIFFERENT_FROM_JS_IPFS: dict[str, str] = {
    "pin services": "js-ipfs has no such command any more; here it is an empty list, as in Kubo",
    "add": MODES,
    "add an empty file": MODES,
    "add a large file": MODES,
    "add a tree": MODES,
    "add an empty directory": MODES,
    "add with raw leaves": MODES,
    "add in small chunks": MODES,
    "add only the hash": MODES,
    "add with wrapping": "js-ipfs has lost the name of a file at the root by then",
    "add in rabin's chunks": BALANCED,
    "add as a trickle DAG": BALANCED,
    "add inline": "js-ipfs does not know the option, and adds without it",
    "add with a mode": NO_MODES,
    "add with a time": NO_MODES,
    "cat from behind the end": "js-ipfs fails; Kubo sends nothing",
    "ls a file": "js-ipfs tells a file's size; Kubo does not",
    "refs": NO_ERR,
    "refs below": NO_ERR,
    "refs with edges": NO_ERR,
    "block put": DAG_PB,
    "block stat": DAG_PB,
    "block rm": DAG_PB,
    "block rm of a pinned one": DAG_PB,
    "block rm of none": "js-ipfs has other words for it",
    "block put by another hash": "js-ipfs brings no sha3",
    "dag resolve": "js-ipfs begins what remains without a slash; Kubo with one",
    "pin ls of a name": UNNAMED,
    "pin ls of what a tree keeps": "js-ipfs pins every file of a tree that is added; Kubo the root",
    "id": "js-ipfs speaks libp2p protocols, and has no addresses while it is offline",
    "version": "js-ipfs has versions of other things",
    "repo gc": COUNTED,
    "repo version": "js-ipfs numbers its repositories",
    "stats bw": NO_LIBP2P,
    "bitswap stat": NO_LIBP2P,
    "commands": "js-ipfs has no such list over its RPC",
    "config set": OWN_CONFIG,
    "swarm addrs": "js-ipfs has no addresses while it is offline",
    "swarm localAddrs": "js-ipfs has no addresses while it is offline",
    "routing findProvs": "js-ipfs has the older dht/findprovs only",
    "ping": NO_LIBP2P,
    "pubsub ls": NO_PUBSUB,
    "files stat": OWN_TREE,
}

# ---- comparing -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(kubo_binary() is None, reason="no Kubo: set CIDBUS_KUBO to the path of an ipfs binary")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_this_system_answers_as_kubo_does(operation: str, cidbus_rpc: JavaScript, kubo_rpc: JavaScript):
    ours, theirs = outcome(operation, cidbus_rpc), outcome(operation, kubo_rpc)
    check(operation, ours, theirs, DIFFERENT_FROM_KUBO)


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
def test_this_system_answers_as_js_ipfs_does(operation: str, cidbus_rpc: JavaScript, js_ipfs_rpc: JavaScript):
    """Of errors only that there is one is compared: js-ipfs has words of its own."""
    ours, theirs = outcome(operation, cidbus_rpc), outcome(operation, js_ipfs_rpc)
    if isinstance(ours, ClientError) and isinstance(theirs, ClientError):
        ours = theirs
    check(operation, ours, theirs, DIFFERENT_FROM_JS_IPFS)


@pytest.mark.parametrize("reasons", [DIFFERENT_FROM_KUBO, DIFFERENT_FROM_JS_IPFS])
def test_reasons_are_given_for_operations_that_there_are(reasons: dict[str, str]):
    assert set(reasons) <= set(OPERATIONS)


@pytest.fixture(scope="module")
def kubo_rpc(request: pytest.FixtureRequest, rpc_of: Callable[[str], JavaScript]) -> JavaScript:
    return rpc_of(request.getfixturevalue("kubo").rpc_url)


@pytest.fixture(scope="module")
def js_ipfs_rpc(js_ipfs: str, rpc_of: Callable[[str], JavaScript]) -> JavaScript:
    return rpc_of(js_ipfs)


def check(operation: str, ours: Any, theirs: Any, reasons: dict[str, str]) -> None:
    if operation in reasons:
        assert told(ours) != told(theirs), f"no longer different, but said to be: {reasons[operation]}"
    else:
        assert told(ours) == told(theirs)


def told(result: Any) -> Any:
    return f"error: {result.message}" if isinstance(result, ClientError) else result


def outcome(operation: str, rpc: JavaScript) -> Any:
    """What the operation gives, or the ClientError that it ends in."""
    try:
        return OPERATIONS[operation](rpc)
    except ClientError as error:
        return error


# ---- operations of several steps ----------------------------------------------------------------------------


def tree(rpc: JavaScript) -> Cid:
    root: Cid = rpc("addAll", TREE)[-1]["cid"]
    return root


def members(archive: bytes, root: Cid) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {
            member.name.removeprefix(root): tar.extractfile(member).read()  # type: ignore[union-attr]
            for member in tar
            if member.isfile()
        }


def named(rpc: JavaScript, name: str) -> Any:
    rpc("pin.add", rpc("add", b"named", pin=False)["cid"], name=name)
    return rpc("pin.ls", name=name)


def key(rpc: JavaScript, name: str, **options: Any) -> Any:
    forget(rpc, name)
    return rpc("key.gen", name, **options)


def renamed(rpc: JavaScript, before: str, after: str) -> Any:
    forget(rpc, after)
    identity = key(rpc, before)["id"]
    done = rpc("key.rename", before, after)
    assert done.pop("id") == identity
    return done


def forget(rpc: JavaScript, name: str) -> None:
    if any(known["name"] == name for known in rpc("key.list")):
        rpc("key.rm", name)


def publish(rpc: JavaScript, name: str) -> Any:
    key(rpc, name)
    return rpc("name.publish", tree(rpc), key=name, allowOffline=True, resolve=False)


def collected(rpc: JavaScript) -> Any:
    loose = rpc("add", b"kept by nothing", pin=False, cidVersion=1)["cid"]
    return loose in [gone["cid"] for gone in rpc("repo.gc")]


def shape(value: Any) -> Any:
    """The names and types in a value that is different on every node; a list is like its first item."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__
