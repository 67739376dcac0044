"""A real Kubo daemon for tests: alone, on free ports, with a repository of its own.

The binary is the one that CIDBUS_KUBO names, or `ipfs` on the PATH; without one, tests that ask for the
`kubo` fixture are skipped. A folder of tests gets it with

    from kubo_daemon import kubo  # noqa: F401

in its conftest.py.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

READY_S = 60
STOP_S = 20


class KuboDaemon:
    """One daemon: where it listens, and the command line of its repository."""

    def __init__(self, binary: str, repo: Path, *init_options: str, online: bool = False) -> None:
        """One that is `online` knows nobody either, but asks, publishes and connects."""
        self.repo = repo
        self._mode = [] if online else ["--offline"]
        self._binary = binary
        self._env = os.environ | {"IPFS_PATH": str(repo), "IPFS_TELEMETRY": "off"}
        self.run("init", "--profile=test", *init_options)
        self._isolate()
        self._process: subprocess.Popen[bytes] | None = None
        self._output = b""
        self.start()

    def run(self, *command: str, content: bytes = b"") -> bytes:
        """What a command prints; raises CalledProcessError if it fails."""
        done = subprocess.run(
            [self._binary, *command], env=self._env, input=content, stdout=subprocess.PIPE, check=True
        )
        return done.stdout

    def start(self) -> None:
        """Start the daemon and wait until it is ready."""
        self._process = subprocess.Popen(
            [self._binary, "daemon", *self._mode],
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._output = b""
        while b"Daemon is ready" not in self._output:
            self._read_more()
        self.rpc_url = self._listens("api")
        self.gateway_url = self._listens("gateway")

    def stop(self) -> None:
        """End the daemon; it may be started again on the same repository, on other ports."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _isolate(self) -> None:
        """Knows nobody, asks nobody for its settings, listens on free ports of loopback only."""
        path = self.repo / "config"
        config = json.loads(path.read_text())
        config["Bootstrap"] = []
        config["AutoConf"] = {"Enabled": False}
        config["DNS"] = {"Resolvers": {}}
        config["Ipns"] = config.get("Ipns", {}) | {"DelegatedPublishers": []}
        config["Addresses"] |= {
            "API": "/ip4/127.0.0.1/tcp/0",
            "Gateway": "/ip4/127.0.0.1/tcp/0",
            "Swarm": ["/ip4/127.0.0.1/tcp/0"],
        }
        config["Discovery"]["MDNS"]["Enabled"] = False
        config["AutoTLS"] = {"Enabled": False}
        config["Routing"] = {"Type": "dhtserver", "DelegatedRouters": []}
        path.write_text(json.dumps(config))

    def _read_more(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], READY_S)
        more = os.read(self._process.stdout.fileno(), 65536) if ready else b""
        self._output += more
        if not more:
            self.stop()
            raise RuntimeError("Kubo did not start: " + self._output.decode("utf-8", "replace"))

    def _listens(self, name: str) -> str:
        text = (self.repo / name).read_text().strip()
        if text.startswith("http"):
            return text
        _, _, host, _, port = text.split("/")  # /ip4/127.0.0.1/tcp/5001
        return f"http://{host}:{port}"


def kubo_binary() -> str | None:
    """The Kubo to test with, or None; one that is named but not there is an error."""
    named = os.environ.get("CIDBUS_KUBO")
    if named and not Path(named).is_file():
        raise FileNotFoundError(f"CIDBUS_KUBO names {named}, which is not there")
    return named or shutil.which("ipfs")


@pytest.fixture(scope="session")
def kubo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KuboDaemon]:
    """A daemon shared by the tests of a session: leave it as you found it."""
    binary = kubo_binary()
    if binary is None:
        pytest.skip("no Kubo: set CIDBUS_KUBO to the path of an ipfs binary")
    daemon = KuboDaemon(binary, tmp_path_factory.mktemp("kubo"))
    yield daemon
    daemon.stop()
