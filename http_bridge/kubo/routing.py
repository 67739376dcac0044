"""Who has what: routing/*, and dht/* under which older clients ask the same."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

from ...schemas import routing
from ...schemas.errors import BadRequest
from ...schemas.subjects import FIND_PEER, FIND_PROVIDERS, PROVIDE, ROUTING_GET, ROUTING_PUT
from .command import Argument, Call, Command, flag, number
from .errors import Failed
from .forms import files, whole_file
from .paths import only_cid

__all__ = ["COMMANDS"]

# Numbers of libp2p's query events.
FINAL_PEER, PROVIDER, VALUE = 2, 4, 5
MAX_VALUE_BYTES = 10 * 1024


def _event(kind: int, peers: list[routing.PeerRecord], extra: str = "") -> dict[str, Any]:
    responses = [{"ID": peer.id, "Addrs": peer.addrs} for peer in peers]
    return {"Extra": extra, "ID": "", "Responses": responses or None, "Type": kind}


async def find_providers(call: Call) -> AsyncIterator[dict[str, Any]]:
    """A line for each provider; none if there is none."""
    limit = call.number("num-providers") or 0
    if limit < 1:
        raise Failed("number of providers must be greater than 0")
    for arg in call.args:
        ask = routing.FindProviders.from_fields({"cid": only_cid(arg), "num_providers": min(limit, 1000)})
        found = await call.bus.request(FIND_PROVIDERS, ask)
        for peer in found.providers:
            yield _event(PROVIDER, [peer])


async def find_peer(call: Call) -> AsyncIterator[dict[str, Any]]:
    for arg in call.args:
        found = await call.bus.request(FIND_PEER, routing.FindPeer.from_fields({"peer_id": arg}))
        if not found.responses:
            raise Failed(f"routing: not found{': ' + found.reason if found.reason else ''}")
        addrs = list(dict.fromkeys(addr for peer in found.responses for addr in peer.addrs))
        yield {
            "Extra": "",
            "ID": arg,
            "Responses": [{"ID": found.responses[0].id, "Addrs": addrs}],
            "Type": FINAL_PEER,
        }


async def provide(call: Call) -> None:
    """Nothing to tell of: Kubo's lines are about peers of its DHT. Raises Failed if nobody could be told."""
    for arg in call.args:
        ask = routing.Provide.from_fields({"cid": only_cid(arg), "recursive": call.flag("recursive")})
        done = await call.bus.request(PROVIDE, ask)
        if not done.announced_to:
            why = "; ".join(f"{tried.method}: {tried.error}" for tried in done.tried if tried.error)
            raise Failed(f"cannot provide, nobody could be told{': ' + why if why else ''}")


async def get_value(call: Call) -> AsyncIterator[dict[str, Any]]:
    for arg in call.args:
        found = await call.bus.request(ROUTING_GET, routing.RoutingGet.from_fields({"key": arg}))
        yield _event(VALUE, [], base64.b64encode(found.value).decode())


async def put_value(call: Call) -> AsyncIterator[dict[str, Any]]:
    """A line when the record is kept, its key as the ID."""
    async for part in files(call):
        value = await whole_file(call, part, MAX_VALUE_BYTES, "value")
        ask = routing.RoutingPut.from_fields({"key": call.arg, "value": value})
        stored = await call.bus.request(ROUTING_PUT, ask)
        yield {"Extra": "", "ID": stored.key.removeprefix("/ipns/"), "Responses": None, "Type": VALUE}
        return
    raise BadRequest("value-file", "the form has no file")


_VERBOSE = flag("verbose", "v")


def _commands(group: str) -> tuple[Command, ...]:
    return (
        Command(
            f"{group}/findprovs", find_providers, "Find peers that can provide a value.",
            (Argument("key", variadic=True),), (_VERBOSE, number("num-providers", "n", default=20)),
        ),
        Command(
            f"{group}/findpeer", find_peer, "Find the multiaddresses associated with a Peer ID.",
            (Argument("peerID", variadic=True),), (_VERBOSE,),
        ),
        Command(
            f"{group}/provide", provide, "Announce to the network that you are providing given values.",
            (Argument("key", variadic=True),), (_VERBOSE, flag("recursive", "r")),
        ),
        Command(
            f"{group}/get", get_value, "Given a key, query the routing system for its best value.",
            (Argument("key", variadic=True),), (_VERBOSE,),
        ),
        Command(
            f"{group}/put", put_value, "Write a key/value pair to the routing system.",
            (Argument("key"), Argument("value-file", file=True)), (_VERBOSE, flag("allow-offline")),
        ),
    )  # fmt: skip


COMMANDS = (*_commands("routing"), *_commands("dht"))
