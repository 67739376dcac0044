"""The Kubo RPC, `/api/v0/…`: what Kubo's clients say, asked of the actors over the bus (docs/kubo-rpc.md)."""

from .rpc import add_kubo_rpc

__all__ = ["add_kubo_rpc"]
