"""Commands of Kubo's that cidbus does not have: each says why, and none pretends to have done anything."""

from __future__ import annotations

from .command import Argument, Call, Command
from .errors import Unmet

__all__ = ["COMMANDS"]

_NO_CHROOT = "the tree has a journal: `cidbus fs restore` brings back an earlier state of it"
_NO_SECRETS = "private keys stay with the node that owns them; use `cidbus key` on its machine"
_NO_PUBSUB = "pubsub is not offered; cidbus tells of events at /api/v0/mcp/distributed/events"
_NO_BITSWAP = "this node speaks no bitswap: nodes ask each other for blocks on the bus"
_NO_DHT = "this node takes no part in a DHT; `routing/…` asks the places that are configured"
_NO_SWARM = "this node opens no libp2p connections of its own, so there is nothing to configure about them"
_NO_CONNECTIONS = "this node opens no libp2p connections of its own"
_NO_STOP = "a node is not stopped by a request; stop the process that runs it"
_NO_CONFIG = "the configuration is only read here; it is set where the processes are started"
_NO_REMOTE = "remote pinning services are not offered"
_NO_LOG = "the log is set up where the process is started"
_NO_DIAGNOSIS = "what runs is told by `cidbus status` and at /api/v0/mcp/stats"
_OLD = "removed, use 'ipfs dag' or 'ipfs files' instead"

_REASONS: dict[str, tuple[str, ...]] = {
    _NO_CHROOT: ("files/chroot",),
    _NO_SECRETS: ("key/export", "key/import", "key/rotate", "key/sign", "key/verify"),
    _NO_PUBSUB: (
        "pubsub/ls", "pubsub/peers", "pubsub/pub", "pubsub/sub", "name/pubsub/cancel", "name/pubsub/state",
        "name/pubsub/subs",
    ),
    _NO_BITSWAP: (
        "bitswap/ledger", "bitswap/reprovide", "bitswap/stat", "bitswap/wantlist", "stats/bitswap",
    ),
    _NO_DHT: (
        "dht/query", "stats/dht", "stats/provide", "stats/reprovide", "provide/stat", "provide/clear",
        "routing/reprovide",
    ),
    _NO_SWARM: (
        "swarm/filters", "swarm/filters/add", "swarm/filters/rm", "swarm/peering/add",
        "swarm/peering/ls", "swarm/peering/rm", "bootstrap/add", "bootstrap/add/default", "bootstrap/rm",
        "bootstrap/rm/all",
    ),
    _NO_CONNECTIONS: (
        "stats/bw", "swarm/resources", "ping", "p2p/close", "p2p/forward", "p2p/listen", "p2p/ls",
        "p2p/stream/close", "p2p/stream/ls",
    ),
    _NO_STOP: ("shutdown",),
    _NO_CONFIG: ("config/edit", "config/replace", "config/profile/apply"),
    _NO_REMOTE: (
        "pin/remote/add", "pin/remote/ls", "pin/remote/rm", "pin/remote/service/add",
        "pin/remote/service/rm",
    ),
    _NO_LOG: ("log/level", "log/ls", "log/tail"),
    _NO_DIAGNOSIS: ("diag/cmds", "diag/cmds/clear", "diag/cmds/set-time", "diag/profile", "diag/sys"),
    "blocks are kept in this node's own packs, not in files beside them": (
        "filestore/dups", "filestore/ls", "filestore/verify", "urlstore/add",
    ),
    "this node mounts no file system; read content over its gateway": ("mount",),
    "the store needs no migration by hand": ("repo/migrate",),
    "versions are told by the package index": ("version/check", "version/deps"),
    _OLD: (
        "object/data", "object/diff", "object/get", "object/links", "object/new", "object/patch/add-link",
        "object/patch/append-data", "object/patch/rm-link", "object/patch/set-data", "object/put",
        "object/stat", "tar/add", "tar/cat",
    ),
}  # fmt: skip

_ANYTHING = (Argument("arg", required=False, variadic=True),)


def _absent(path: str, why: str) -> Command:
    async def refuse(call: Call) -> None:
        raise Unmet(f"{path}: {why}")

    return Command(path, refuse, f"Not offered: {why}.", _ANYTHING)


async def remote_services(call: Call) -> dict[str, list[str]]:
    """None is configured, which clients ask for at their start."""
    return {"RemoteServices": []}


COMMANDS = (
    Command("pin/remote/service/ls", remote_services, "List the remote pinning services: there are none."),
    *(_absent(path, why) for why, paths in _REASONS.items() for path in paths),
)
