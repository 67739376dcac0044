"""Where content paths lead: names to what they stand for now, paths to the blocks that they end in.

Nothing on the way may be on a denylist, and a path that ends inside a block is not served.
"""

from __future__ import annotations

from ...schemas.cid import CID
from ...schemas.dag import DagPath
from ...schemas.errors import BadRequest, InvalidContent, NotFound, NotSupported, Unavailable
from ...schemas.ipfs import BlockRequest
from ...schemas.names import NameResolve, NameResolved
from ...schemas.subjects import BLOCK_STAT, DAG_RESOLVE, NAME_RESOLVE
from .asked import Asked, End
from .denylist import Denylists
from .paths import ContentPath
from .refusals import NotCached
from .upstream import Upstream

__all__ = ["Resolving"]


class Resolving:
    """Follows names and paths; a path that is nothing but a CID is not asked about."""

    def __init__(self, upstream: Upstream, denylists: Denylists | None) -> None:
        self._upstream = upstream
        self._denylists = denylists

    async def root(self, asked: Asked) -> None:
        """Find the immutable root and path that the content path stands for; raises as NAME_RESOLVE does."""
        path = asked.path
        self.check_path(path)
        if not path.is_mutable:
            asked.root, asked.below = path.root, path.path
            return
        name = path.domain if path.key is None else path.key.to_base36()
        assert name is not None, "a mutable path has a key or a domain"
        resolved = await self._named(name)
        asked.root, between = _immutable(resolved.path)
        asked.below = "/".join(filter(None, (between, path.path)))
        asked.ttl_s = resolved.ttl_s
        self.check(asked.root)

    async def _named(self, name: str) -> NameResolved:
        try:
            return await self._upstream.request(NAME_RESOLVE, NameResolve(name=name))
        except InvalidContent as error:
            if "limit" in error.details:  # names that lead on and on: the DNSLink gateway calls for 400
                raise BadRequest("name", error.details["problem"], limit=error.details["limit"]) from None
            raise

    def check_path(self, path: ContentPath) -> None:
        """Raises Blocked if the path is on a denylist as it was asked for."""
        if self._denylists is not None:
            self._denylists.check(path)

    async def end(self, asked: Asked) -> End:
        """Where the path ends; raises NotFound(what="path") where it does not lead on."""
        if not asked.below:
            return End.at(asked.root)
        return await self._resolve(asked.root, asked.below)

    async def below(self, end: End, name: str) -> End:
        """Where a further name leads from there; the roots are those of the whole path."""
        found = await self._resolve(end.text, name)
        return End(found.cid, found.text, (*end.roots, *found.roots[1:]))

    async def require_cached(self, root: str) -> int:
        """The size of the root's block if it is here; raises NotCached if it is not."""
        try:
            return (await self._upstream.request(BLOCK_STAT, BlockRequest(cid=root))).size_bytes
        except NotFound:
            raise NotCached(root) from None

    def check(self, *cids: str) -> None:
        """Raises Blocked if one of these is on a denylist."""
        if self._denylists is not None:
            for cid in cids:
                self._denylists.check_cid(CID.parse(cid))

    async def _resolve(self, cid: str, path: str) -> End:
        found = await self._upstream.request(DAG_RESOLVE, DagPath(cid=cid, path=path))
        self.check(*found.roots)
        if found.remainder_path:
            raise NotSupported(
                f"path: {found.remainder_path!r} lies inside the block {found.cid}", field="path"
            )
        return End(CID.parse(found.cid), found.cid, tuple(found.roots))


def _immutable(path: str) -> tuple[str, str]:
    """The CID and the path below it that a name resolved to."""
    empty, namespace, root, *below = path.split("/", 3) + [""] * 3
    if empty or namespace != "ipfs" or not root:
        raise Unavailable(f"the name resolved to what is not content: {path[:200]}")
    return root, (below[0] or "").strip("/")
