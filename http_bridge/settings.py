"""What a bridge may be told: its prefix, its limits, and who it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

__all__ = ["BridgeSettings"]

KIB, MIB, TIB = 2**10, 2**20, 2**40


@dataclass(frozen=True, kw_only=True)
class BridgeSettings:
    """Every limit of the bridge, with the default that a single machine wants.

    `needed` names the actors that `/readyz` waits for. `allowed_origins` are the web origins, such as
    `https://app.example`, whose pages may send requests that change something; pages of the bridge itself
    always may. `debug` opens `/debug` and `/operations`; `isolation` is only reported. `kubo_version` is the
    version of Kubo that the Kubo RPC says it speaks as, for clients that insist on one.
    """

    prefix: str = "/api/v0/mcp"
    server_id: str = field(default_factory=lambda: token_hex(8))
    version: str = "0.0.0"
    kubo_version: str = "0.39.0"
    debug: bool = False
    isolation: bool = False
    needed: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()

    near_bytes: int | None = None  # of small files that were read lately; None asks no cache at all

    max_requests: int = 512  # running at once; one more is answered by 429
    max_listeners: int = 1024  # clients of the event stream at once
    max_queued_events: int = 1024  # waiting for one client; more are dropped and counted
    max_json_bytes: int = 16 * MIB
    max_held_bytes: int = 256 * MIB  # of all bodies that are read whole, together
    max_upload_bytes: int = TIB
    max_line_bytes: int = 64 * KIB  # the request line: the longest path fits, percent-encoded
    max_header_bytes: int = 8 * KIB  # one header field
    max_headers: int = 100

    head_timeout_s: float = 10.0  # for a connection to send a whole request head
    idle_timeout_s: float = 75.0  # for a kept connection to send the next request
    read_timeout_s: float = 30.0  # without a byte of a body
    write_timeout_s: float = 60.0  # for a client that takes nothing
    shutdown_timeout_s: float = 20.0  # for accepted requests to end
    discovery_wait_s: float = 0.3  # for actors to answer $SRV.PING and $SRV.STATS

    # The IPFS gateway under /ipfs and /ipns; docs/gateway.md explains each of these.
    gateway_hosts: tuple[str, ...] = ("localhost",)  # below which each root has an origin of its own
    gateway_dnslink_hosts: tuple[str, ...] = ()  # `example.org`, `*.example.org`, or `*` for any domain
    gateway_trust_forwarded: bool = False  # believe X-Forwarded-Host and X-Forwarded-Proto
    gateway_trustless_only: bool = False  # serve only what a client can verify
    gateway_convert_codecs: bool = False  # serve nodes in other codecs than their own
    gateway_denylists: Path | None = None  # a folder of `.deny` files
    gateway_denylist_every_s: float = 60.0  # how often that folder is looked at
    gateway_max_requests: int = 256  # running at once; one more is answered by 429
    gateway_max_entries: int = 10_000  # of a directory that are listed on its page
    gateway_retrieval_timeout_s: float = 30.0  # for the first and for each further part of an answer
    gateway_total_timeout_s: float = 3600.0  # for a whole answer
