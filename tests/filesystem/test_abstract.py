"""fsspec's own tests of file systems, over HTTP and over NATS."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest
from fsspec.tests.abstract import (
    AbstractCopyTests,
    AbstractFixtures,
    AbstractGetTests,
    AbstractOpenTests,
    AbstractPipeTests,
    AbstractPutTests,
)

from cidbus.filesystem import CidbusFileSystem

from .conftest import System


class TreeFixtures(AbstractFixtures):
    """Each test has a directory of its own."""

    @pytest.fixture
    def fs(self, system: System) -> CidbusFileSystem:
        return system.tree()

    @pytest.fixture
    def fs_path(self, fs: CidbusFileSystem, request: pytest.FixtureRequest) -> str:
        number = zlib.crc32(request.node.name.encode())  # the name itself may be a pattern
        path = f"/{type(self).__name__}/{number:08x}"
        fs.makedirs(path)
        return path

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *names: "/".join(names)


class TestCopy(AbstractCopyTests, TreeFixtures):
    pass


class TestGet(AbstractGetTests, TreeFixtures):
    pass


class TestPut(AbstractPutTests, TreeFixtures):
    pass


class TestOpen(AbstractOpenTests, TreeFixtures):
    pass


class TestPipe(AbstractPipeTests, TreeFixtures):
    pass


class OverNats(TreeFixtures):
    @pytest.fixture
    def fs(self, system: System) -> CidbusFileSystem:
        return CidbusFileSystem(nats=system.nats, seed=system.seed)


class TestOpenOverNats(AbstractOpenTests, OverNats):
    pass


class TestPipeOverNats(AbstractPipeTests, OverNats):
    pass


class TestCopyOverNats(OverNats):
    """Those of copying that go through most of it."""

    test_into_a_directory = AbstractCopyTests.test_copy_directory_to_existing_directory
    test_by_a_pattern = AbstractCopyTests.test_copy_glob_to_new_directory
    test_by_lists = AbstractCopyTests.test_copy_with_source_and_destination_as_list
