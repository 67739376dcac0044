"""The contract: uploads that are broken off and go on; and who does not answer for them."""

from __future__ import annotations

import pytest

from cidbus.schemas import subjects, tree
from cidbus.schemas.errors import Conflict, NotFound, NotSupported

from .places import actor_over

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLACES = ["embedded", "simulation"]
ROWS = [
    subjects.UPLOAD_CREATE, subjects.UPLOAD_APPEND, subjects.UPLOAD_STAT, subjects.UPLOAD_FINISH,
    subjects.UPLOAD_CANCEL, subjects.UPLOADS,
]  # fmt: skip


async def test_an_upload_in_two_goes_is_the_added_file(place, fresh):
    content = fresh(size=300_000)
    begun = await place.ask(subjects.UPLOAD_CREATE, tree.UploadCreate())
    await place.ask(subjects.UPLOAD_APPEND, tree.UploadAppend(id=begun.id, offset=0, data=content[:100_000]))
    with pytest.raises(Conflict):
        await place.ask(subjects.UPLOAD_APPEND, tree.UploadAppend(id=begun.id, offset=7, data=b"x"))
    rest = tree.UploadAppend(id=begun.id, offset=100_000, data=content[100_000:])
    assert (await place.ask(subjects.UPLOAD_APPEND, rest)).offset == 300_000
    assert begun.id in [one.id for one in await place.items(subjects.UPLOADS, tree.UploadList())]
    done = await place.ask(subjects.UPLOAD_FINISH, tree.UploadFinish(id=begun.id))
    assert (done.complete, done.cid) == (True, (await place.add(content)).cid)


async def test_an_upload_that_is_given_up_is_gone(place):
    begun = await place.ask(subjects.UPLOAD_CREATE, tree.UploadCreate(size_bytes=10))
    await place.ask(subjects.UPLOAD_CANCEL, tree.UploadRequest(id=begun.id))
    with pytest.raises(NotFound):
        await place.ask(subjects.UPLOAD_STAT, tree.UploadRequest(id=begun.id))


@pytest.mark.parametrize("backend", ["kubo", "gateway"])
async def test_who_keeps_no_uploads_says_so(backend, tmp_path):
    actor = actor_over(tmp_path, backend=backend, gateways="http://127.0.0.1:9")
    for row in ROWS:
        with pytest.raises(NotSupported, match=backend):
            actor.handlers()[row](tree.UploadList())
