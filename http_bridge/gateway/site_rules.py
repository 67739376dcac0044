"""What a site says about paths that it does not have: its `_redirects` file, evaluated.

Only for content with an origin of its own, where a redirect leads nowhere but into the same site or away
from the gateway. Source: web redirects file ("Evaluation").
"""

from __future__ import annotations

from aiohttp import hdrs, web

from ...schemas.errors import BusError, NotAFile, NotFound
from ...schemas.ipfs import CatRequest
from ...schemas.subjects import CAT
from .asked import Asked, End
from .files import Files
from .redirects_file import FILE_NAME, MAX_FILE_BYTES, Answer, BadRedirectsFile, RedirectsFile
from .resolving import Resolving
from .upstream import Upstream

__all__ = ["SiteRules"]


class SiteRules:
    """Answers for paths that are not in a site."""

    def __init__(self, upstream: Upstream, resolving: Resolving, files: Files) -> None:
        self._upstream = upstream
        self._resolving = resolving
        self._files = files

    async def answer(self, asked: Asked) -> web.StreamResponse | None:
        """What the first rule that fits makes of the request; None if the site has no such rule.

        Raises BadRedirectsFile if its file cannot be read, and NotFound if the rule's own file is missing.
        """
        root = await self._site_root(asked)
        rules = await self._rules(root)
        if rules is None:
            return None
        path = asked.path.path + ("/" if asked.path.slash and asked.path.path else "")
        found = rules.answer("/" + path, asked.request.rel_url.raw_query_string)
        if found is None:
            return None
        if found.is_redirect:
            headers = asked.headers(root.roots)
            headers[hdrs.LOCATION] = found.target
            return web.Response(status=found.status, headers=headers)
        return await self._rewritten(asked, root, found)

    async def _site_root(self, asked: Asked) -> End:
        """The content root of the host: for a name, the block that the name's whole path leads to."""
        between = asked.below.removesuffix(asked.path.path).strip("/")
        return await self._resolving.below(End.at(asked.root), between) if between else End.at(asked.root)

    async def _rules(self, root: End) -> RedirectsFile | None:
        try:
            found = await self._resolving.below(root, FILE_NAME)
        except NotFound as error:
            if error.details.get("what") != "path":
                raise BadRedirectsFile(error.message) from error
            return None
        ask = CatRequest(cid=found.text, length=MAX_FILE_BYTES + 1)
        try:
            async with await self._upstream.open(CAT, ask) as stream:
                raw = b"".join([chunk async for chunk in self._upstream.paced(stream)])
        except NotAFile:
            return None
        except BusError as error:
            raise BadRedirectsFile(error.message) from error
        return RedirectsFile.parse(raw)

    async def _rewritten(self, asked: Asked, root: End, found: Answer) -> web.StreamResponse:
        """The file that stands for the path; under 200 as if the path were its own."""
        target = found.target.strip("/")
        end = await self._resolving.below(root, target)
        name = target.rpartition("/")[2]
        if found.status == 200:
            return await self._files.file(asked, end, name)
        return await self._files.file_as(asked, end, name, found.status)
