"""Every behaviour of the contract is asked of every back end; where one differs, `differences.py` says why."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from kubo_daemon import KuboDaemon, kubo, kubo_binary  # noqa: F401

from cidbus.bus.testing import server_is_missing

from .differences import DIFFERENCES
from .places import Place, cidbus_over_http, place_of

# `kubo` asks a real Kubo, `kubo-rpc` the Kubo RPC of another cidbus, so that there is always somebody to ask.
# A module may name other places (`PLACES`): `kubo-online` asks a real Kubo that would ask others, if it knew any.
WRITERS = ["embedded", "kubo", "kubo-rpc", "simulation"]
READERS = [*WRITERS, "gateway"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" in metafunc.fixturenames:
        names = READERS if "reader" in metafunc.fixturenames else WRITERS
        names = getattr(metafunc.module, "PLACES", names)
        metafunc.parametrize("place", names, indirect=True, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A difference is expected to fail as it says; one that does not fail any more is an error."""
    for item in items:
        params = getattr(item, "callspec", None) and item.callspec.params
        if params and "place" in params and Path(__file__).parent in item.path.parents:
            found = DIFFERENCES.get((params["place"], behaviour_of(item, params["place"])))
            if found is not None:
                item.add_marker(pytest.mark.xfail(reason=found.reason, raises=found.raises, strict=True))


def behaviour_of(item: pytest.Item, place: str) -> str:
    """A test's name without the place: `test_a[kubo-v1]` is `test_a[v1]`."""
    name, _, others = item.name.rstrip("]").partition("[")
    others = others.removeprefix(place).removesuffix(place).strip("-")
    return f"{name}[{others}]" if others else name


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    """One for all tests, which therefore use content of their own (`fresh`)."""
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    name, folder = request.param, tmp_path_factory.mktemp("place")
    async with AsyncExitStack() as stack:

        async def other() -> tuple[object, str]:
            return await stack.enter_async_context(cidbus_over_http(folder / "other"))

        settings = {"backend": name}
        if name == "kubo-online":
            url = request.getfixturevalue("online_kubo").rpc_url
            settings = {"backend": "kubo", "kubo_url": url, "fetch_timeout_s": "1"}
        if name == "kubo":
            settings |= {"kubo_url": request.getfixturevalue("kubo").rpc_url}
        if name == "kubo-rpc":
            settings = {"backend": "kubo", "kubo_url": (await other())[1]}
        home = None
        if name == "gateway":
            home, url = await other()
            settings |= {"gateways": url}
        opened = await stack.enter_async_context(place_of(name, folder / "here", **settings))
        yield Place(name, opened.bus, home or opened.bus)


@pytest.fixture(scope="session")
def online_kubo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KuboDaemon]:
    """A daemon that is on a network, on which it is alone."""
    binary = kubo_binary()
    if binary is None:
        pytest.skip("no Kubo: set CIDBUS_KUBO to the path of an ipfs binary")
    daemon = KuboDaemon(binary, tmp_path_factory.mktemp("kubo"), online=True)
    yield daemon
    daemon.stop()


@pytest.fixture(scope="session")
def reader(place: Place) -> Place:
    """Any place, also one that can only read."""
    return place


@pytest.fixture
def fresh(request: pytest.FixtureRequest) -> Callable[..., bytes]:
    """`fresh("leaf")` is content that no other test has; with a size it is that long."""

    def content(label: str = "", size: int | None = None) -> bytes:
        line = f"{request.node.nodeid} {label}\n"
        if size is None:
            return line.encode()
        return "".join(f"{number} {line}" for number in range(size // len(line) + 1))[:size].encode()

    return content
