"""The node itself: identity, versions, the repository, connections, and its configuration to be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ...schemas import ipfs, routing
from ...schemas.errors import BusError
from ...schemas.subjects import (
    FIND_PEER,
    ID,
    REPO_GC,
    REPO_STAT,
    REPO_VERIFY,
    SWARM_ADDRS,
    SWARM_CONNECT,
    SWARM_DISCONNECT,
    SWARM_PEERS,
    VERSION,
)  # fmt: skip
from .command import Argument, Call, Command, flag, text
from .errors import BadCall, Failed, words_of
from .multibase import base_named

__all__ = ["COMMANDS"]

# Kubo's repositories have numbers; this store is none of them.
REPO_VERSION = "cidbus"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


async def identity(call: Call) -> dict[str, Any]:
    """This node, or with an argument where a peer can be reached."""
    own = await call.bus.request(ID, ipfs.IdRequest())
    if not call.args or call.arg == own.id:
        return {
            "ID": _peer_id(own.id, call.text("peerid-base")),
            "PublicKey": own.public_key,
            "Addresses": [_full(address, own.id) for address in own.addresses],
            "AgentVersion": _agent_version(call),
            "Protocols": [],
        }
    found = await call.bus.request(FIND_PEER, routing.FindPeer.from_fields({"peer_id": call.arg}))
    if not found.responses:
        raise Failed(f"routing: not found{': ' + found.reason if found.reason else ''}")
    addresses = list(dict.fromkeys(address for peer in found.responses for address in peer.addrs))
    protocols = sorted({protocol for peer in found.responses for protocol in peer.protocols})
    return {
        "ID": _peer_id(found.peer_id, call.text("peerid-base")),
        "PublicKey": "",
        "Addresses": addresses,
        "AgentVersion": "",
        "Protocols": protocols,
    }


def _agent_version(call: Call) -> str:
    # Clients read a version of Kubo out of this.
    return f"kubo/{call.bridge.settings.kubo_version}/cidbus"


def _full(address: str, peer_id: str) -> str:
    return address if "/p2p/" in address else f"{address}/p2p/{peer_id}"


def _peer_id(peer_id: str, base: str) -> str:
    if base == "b58mh":
        return peer_id
    raw = base_named("base58btc").decode(peer_id)
    try:
        return base_named({"k": "base36", "b": "base32"}.get(base, base)).text(b"\x01\x72" + raw)
    except KeyError:
        raise BadCall(f"peerid-base: {base[:32]!r} is no base") from None


async def version(call: Call) -> dict[str, str]:
    """The version of Kubo that is spoken, as the settings have it; `Commit` has this software's own."""
    own = await call.bus.request(VERSION, ipfs.VersionRequest())
    machine, _, system = own.system.partition("/")
    return {
        "Version": call.bridge.settings.kubo_version,
        "Commit": f"cidbus-{own.version}",
        "Repo": REPO_VERSION,
        "System": f"{MACHINES.get(machine, machine)}/{system}",
        "Golang": f"python{own.python}",
    }


# ---- the repository -------------------------------------------------------------------------------------


async def repo_stat(call: Call) -> dict[str, Any]:
    """`StorageMax` is what is stored and what the disk still takes."""
    stat = await call.bus.request(REPO_STAT, ipfs.RepoStatRequest())
    sizes = {"RepoSize": stat.disk_bytes, "StorageMax": _storage_max(stat)}
    if call.flag("size-only"):
        return {**sizes, "NumObjects": 0, "RepoPath": "", "Version": ""}
    return {**sizes, "NumObjects": stat.blocks, "RepoPath": stat.path, "Version": REPO_VERSION}


def _storage_max(stat: ipfs.RepoStat) -> int:
    return stat.disk_bytes + (stat.free_disk_bytes or 0)


async def repo_gc(call: Call) -> None:
    """Nothing to tell: blocks are collected by the thousand and not named one by one."""
    await call.bus.request(REPO_GC, ipfs.RepoGc())


async def repo_verify(call: Call) -> AsyncIterator[dict[str, Any]]:
    """A line for each block that is damaged, then one that sums up; the last is an error if any was."""
    if call.flag("drop") or call.flag("heal"):
        raise Failed("damaged blocks are not removed or fetched again by this command")
    done = await call.bus.request(REPO_VERIFY, ipfs.RepoVerify())
    yield {"Msg": "", "Progress": done.checked_blocks}
    for block in done.bad:
        yield {"Msg": f"block {block.cid} was corrupt ({block.problem})", "Progress": 0}
    if done.bad_blocks:
        raise Failed(f"verify complete, some blocks were corrupt: {done.bad_blocks}")
    yield {"Msg": "verify complete, all blocks validated.", "Progress": 0}


async def repo_version(call: Call) -> dict[str, str]:
    return {"Version": REPO_VERSION}


# ---- connections ----------------------------------------------------------------------------------------


async def swarm_peers(call: Call) -> dict[str, Any]:
    peers = [_peer(peer) async for peer in call.bus.items(SWARM_PEERS, routing.SwarmPeers())]
    return {"Peers": peers}


def _peer(peer: routing.Peer) -> dict[str, Any]:
    shown: dict[str, Any] = {"Addr": peer.addrs[0] if peer.addrs else "", "Peer": peer.id}
    if peer.latency_ms is not None:
        shown["Latency"] = f"{peer.latency_ms:g}ms"
    if peer.agent_version is not None:
        shown["Identify"] = {"ID": peer.id, "AgentVersion": peer.agent_version, "Addresses": peer.addrs}
    return shown


async def swarm_addrs(call: Call) -> dict[str, Any]:
    addrs: dict[str, list[str]] = {}
    async for peer in call.bus.items(SWARM_ADDRS, routing.SwarmAddrs()):
        addrs.setdefault(peer.id, []).extend(peer.addrs)
    return {"Addrs": addrs}


async def swarm_local(call: Call) -> dict[str, Any]:
    own = await call.bus.request(ID, ipfs.IdRequest())
    with_id = call.flag("id")
    return {"Strings": [_full(address, own.id) if with_id else address for address in own.addresses]}


async def swarm_connect(call: Call) -> dict[str, Any]:
    said = []
    for address in call.args:
        ask = routing.SwarmConnect.from_fields({"address": address})
        peer = address.rpartition("/p2p/")[2]
        try:
            done = await call.bus.request(SWARM_CONNECT, ask)
        except BusError as error:
            raise Failed(f"connect {peer} failure: {words_of(error)}") from error
        if not done.connected:
            raise Failed(f"connect {peer} failure")
        said.append(f"connect {peer} success")
    return {"Strings": said}


async def swarm_disconnect(call: Call) -> dict[str, Any]:
    said = []
    for address in call.args:
        ask = routing.SwarmDisconnect.from_fields({"address": address})
        peer = address.rpartition("/p2p/")[2]
        try:
            await call.bus.request(SWARM_DISCONNECT, ask)
            said.append(f"disconnect {peer} success")
        except BusError as error:
            said.append(f"disconnect {peer} failure: {words_of(error)}")
    return {"Strings": said}


async def bootstrap(call: Call) -> dict[str, Any]:
    """Nobody: nodes find each other on the bus."""
    return {"Peers": []}


# ---- configuration --------------------------------------------------------------------------------------


async def config_show(call: Call) -> dict[str, Any]:
    """What of Kubo's configuration has a meaning here; read from the node, to be read only."""
    own = await call.bus.request(ID, ipfs.IdRequest())
    stat = await call.bus.request(REPO_STAT, ipfs.RepoStatRequest())
    root = f"http://{call.request.host}"
    return {
        "Identity": {"PeerID": own.id},
        "Addresses": {"API": f"{root}/api/v0", "Gateway": f"{root}/ipfs", "Swarm": own.addresses},
        "Bootstrap": [],
        "Datastore": {"Path": stat.path, "StorageMax": str(_storage_max(stat))},
        "API": {"HTTPHeaders": {"Access-Control-Allow-Origin": list(call.bridge.settings.allowed_origins)}},
        "Import": {
            "CidVersion": 0, "UnixFSRawLeaves": False, "UnixFSChunker": "size-262144",
            "HashFunction": "sha2-256", "UnixFSFileMaxLinks": 174,
        },
    }  # fmt: skip


async def config(call: Call) -> dict[str, Any]:
    """One value, by its dotted name; raises Failed for one that is to be set, which is not done here."""
    if len(call.args) > 1:
        raise Failed(
            "failed to set config value: the configuration is only read here; `cidbus config` sets it"
        )
    value: Any = await config_show(call)
    for part in call.arg.split("."):
        if not isinstance(value, dict) or part not in value:
            raise Failed(f'failed to get config value: "{part[:64]} not found"')
        value = value[part]
    return {"Key": call.arg, "Value": value}


_PEER = (Argument("peerid", required=False),)
_ADDRESSES = (Argument("address", variadic=True),)
_REPO_STAT = (flag("size-only", "s"), flag("human", "H"))

COMMANDS = (
    Command(
        "id", identity, "Show IPFS node id info.", _PEER,
        (text("format", "f"), text("peerid-base", default="b58mh")),
    ),
    Command(
        "version", version, "Show IPFS version information.", (),
        (flag("number", "n"), flag("commit"), flag("repo"), flag("all")),
    ),
    Command("repo/stat", repo_stat, "Get stats for the currently used repo.", (), _REPO_STAT),
    Command("stats/repo", repo_stat, "Get stats for the currently used repo.", (), _REPO_STAT),
    Command(
        "repo/gc", repo_gc, "Perform a garbage collection sweep on the repo.", (),
        (flag("stream-errors"), flag("quiet", "q"), flag("silent")),
    ),
    Command(
        "repo/verify", repo_verify, "Verify all blocks in repo are not corrupted.", (),
        (flag("drop"), flag("heal"), text("heal-timeout")),
    ),
    Command("repo/version", repo_version, "Show the repo version.", (), (flag("quiet", "q"),)),
    Command(
        "swarm/peers", swarm_peers, "List peers with open connections.", (),
        (flag("verbose", "v"), flag("streams"), flag("latency"), flag("direction"), flag("identify")),
    ),
    Command("swarm/addrs", swarm_addrs, "List known addresses. Useful for debugging."),
    Command("swarm/addrs/local", swarm_local, "List local addresses.", (), (flag("id"),)),
    Command("swarm/addrs/listen", swarm_local, "List interface listening addresses.", (), (flag("id"),)),
    Command("swarm/connect", swarm_connect, "Open connection to a given peer.", _ADDRESSES),
    Command("swarm/disconnect", swarm_disconnect, "Close connection to a given address.", _ADDRESSES),
    Command("bootstrap", bootstrap, "Show or edit the list of bootstrap peers."),
    Command("bootstrap/list", bootstrap, "Show peers in the bootstrap list.", (), (flag("expand-auto"),)),
    Command("config/show", config_show, "Output config file contents."),
    Command(
        "config", config, "Get and set IPFS config values.",
        (Argument("key"), Argument("value", required=False)), (flag("bool"), flag("json")),
    ),
)  # fmt: skip
