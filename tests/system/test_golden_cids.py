"""The published CIDs of both profiles, through HTTP."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from .conftest import OCTETS, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOLDEN = json.loads((Path(__file__).parent.parent / "data" / "golden_cids.json").read_text())
PROFILES = ("unixfs-v0-2015", "unixfs-v1-2025")
SIZES = {
    "empty": 0,
    "k256": 262144,
    "k256p1": 262145,
    "m1": 1 << 20,
    "m1p1": (1 << 20) + 1,
    "k256x174": 45613056,
}
SIZES |= {"m100": 100 << 20}
NAMES = {"d5000_flat": "%04d", "d5000_hamt": "file-%05d-abcdefghij.txt"}


def golden_bytes(size: int) -> bytes:
    period = bytes((i * 31 + 7) % 251 for i in range(251))
    return (period * (size // 251 + 1))[:size]


@pytest.mark.parametrize("profile", PROFILES)
async def test_every_golden_file_has_its_cid(running: Running, profile: str):
    contents = {name: golden_bytes(size) for name, size in SIZES.items()} | {"hello": b"Hello, IPFS!"}
    for name, content in contents.items():
        added = await running.add(content, profile=profile)
        expected = GOLDEN["inputs"][name][profile]
        assert (name, added["cid"], added["dag_size_bytes"]) == (name, expected["cid"], expected["dag_size"])


@pytest.mark.parametrize("profile", PROFILES)
async def test_every_golden_directory_has_its_cid(running: Running, profile: str):
    for name, names in NAMES.items():
        form = form_of({names % number: b"entry %d\n" % number for number in range(5000)})
        url = f"{running.api}/ipfs/add"
        async with running.http.post(
            url, data=form[1], params={"profile": profile}, headers=form[0]
        ) as answer:
            added = await answer.json()
        expected = GOLDEN["inputs"][name][profile]
        assert (added["cid"], added["dag_size_bytes"]) == (expected["cid"], expected["dag_size"])
        assert (added["entry_count"], len(added["entries"])) == (5000, 1000)


def form_of(files: dict[str, bytes]) -> tuple[dict[str, str], io.BytesIO]:
    """A form of files as it goes over the wire; aiohttp's own writer is slow at thousands of parts."""
    body = bytearray()
    for name, content in files.items():
        disposition = f'form-data; name="file"; filename="{quote(name)}"'
        body += f"--golden\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"
    return {"Content-Type": "multipart/form-data; boundary=golden"}, io.BytesIO(body + b"--golden--\r\n")


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
async def test_the_vectors_of_ipip_0499_have_their_cids(running: Running, profile: str):
    for _kind, recipe, cid in GOLDEN["ipip_0499_vectors"][profile]:
        if isinstance(recipe, str):
            added = await running.add(b"hello world", profile=profile)
        else:
            size, seed = recipe
            added = await streamed(running, keystream(seed, size), profile)
        assert added["cid"] == cid


def keystream(seed: str, size: int, piece: int = 4 << 20):
    key = hashlib.sha256(seed.encode()).digest()
    cipher = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor()
    for start in range(0, size, piece):
        yield cipher.update(bytes(min(piece, size - start)))


async def streamed(running: Running, pieces, profile: str) -> dict:
    async def content():
        for piece in pieces:
            yield piece

    url = f"{running.api}/ipfs/add"
    async with running.http.post(url, data=content(), params={"profile": profile}, headers=OCTETS) as answer:
        return await answer.json()


async def test_the_empty_directory_has_its_cid(running: Running):
    for profile, cid in zip(PROFILES, GOLDEN["well_known"].values(), strict=True):
        form = aiohttp.FormData()
        form.add_field("file", b"", filename="nothing", content_type="application/x-directory")
        url = f"{running.api}/ipfs/add"
        async with running.http.post(url, data=form, params={"profile": profile}) as answer:
            assert (await answer.json())["cid"] == cid
