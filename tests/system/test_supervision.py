"""How a system starts, tells of itself, shares its folder, and ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import psutil
import pytest
from waiting import until

from cidbus.data_dir import DataDir
from cidbus.schemas.errors import BadRequest, Conflict, Unavailable
from cidbus.supervisor import System, UpOptions

from .conftest import running_system


@pytest.mark.asyncio(loop_scope="module")
async def test_it_is_ready_soon_and_says_where(running):
    info = running.info
    assert [process.name for process in info.actors] == [
        "nats",
        "ipfs",
        "cache",
        "journal",
        "media",
        "bridge",
    ]
    assert running.system.data_dir.read_info() == info
    assert Path(info.client_seed).is_file()


async def test_what_was_added_is_there_after_a_restart(tmp_path):
    options = UpOptions(isolation=True, throw_away=False, data_dir=tmp_path)
    contents = {}
    for number in range(2):
        async with running_system(throw_away=False, data_dir=tmp_path) as system:
            for cid, content in contents.items():
                assert await system.cat(cid) == content
            content = b"of start %d" % number
            contents[(await system.add(content))["cid"]] = content
    assert DataDir(options.data_dir).read_info() is None


async def test_a_folder_is_run_by_one_system_at_a_time(tmp_path):
    async with running_system(throw_away=False, data_dir=tmp_path):
        with pytest.raises(Conflict, match="another system is running"):
            await System(UpOptions(isolation=True, throw_away=False, data_dir=tmp_path)).start()


async def test_a_port_in_use_is_said_and_nothing_is_left_running(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = UpOptions(port=taken.getsockname()[1], isolation=True, throw_away=False, data_dir=tmp_path)
        with pytest.raises(Conflict, match="in use"):
            await System(options).start()
    async with running_system(throw_away=False, data_dir=tmp_path) as again:
        assert (await again.add(b"x"))["success"]


async def test_a_server_that_does_not_answer_is_unavailable(monkeypatch, tmp_path):
    monkeypatch.setattr("cidbus.supervisor.READY_S", 0.5)
    options = UpOptions(nats="nats://127.0.0.1:9", isolation=True, throw_away=False, data_dir=tmp_path)
    with pytest.raises(Unavailable):
        await System(options).start()


@pytest.mark.parametrize("scale", [{"nothing": 1}, {"ipfs": -1}, {"ipfs": 65}])
def test_an_impossible_scale_is_refused(scale):
    with pytest.raises(BadRequest) as caught:
        UpOptions(scale=scale)
    assert caught.value.field == "scale"


async def test_two_bridges_share_a_port():
    async with running_system(scale={"bridge": 2}) as system:
        assert len(set(system.pids("bridge"))) == 2
        system.kill("bridge", 0)
        for _ in range(250):
            try:
                added = await system.add(b"through the other")
                break
            except aiohttp.ClientError:
                await asyncio.sleep(0.01)  # the kernel forgets a dead listener in its own time
        assert added["success"]


def up(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cidbus", "up", "--port", "0", "--data-dir", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_the_command_is_ready_within_ten_seconds_and_ends_in_order(tmp_path):
    began = time.monotonic()
    process = up(tmp_path)
    line = process.stdout.readline()
    assert time.monotonic() - began < 10
    assert line.startswith("cidbus is ready: http://127.0.0.1:")
    children = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process.stdout.close()
    assert psutil.wait_procs(children, timeout=5)[1] == []
    assert not (tmp_path / "run" / "info.json").exists()


def test_a_supervisor_that_is_killed_takes_its_children_with_it_and_starts_again_at_once(tmp_path):
    process = up(tmp_path)
    assert process.stdout.readline()
    info = json.loads((tmp_path / "run" / "info.json").read_text())
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    children = [psutil.Process(each["pid"]) for each in info["actors"] if psutil.pid_exists(each["pid"])]
    assert psutil.wait_procs(children, timeout=30)[1] == []
    again = up(tmp_path)
    assert again.stdout.readline().startswith("cidbus is ready")
    again.send_signal(signal.SIGINT)
    assert again.wait(30) == 0
    again.stdout.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_private_folders_are_private(running):
    path = running.system.data_dir.path
    assert path.stat().st_mode & 0o777 == 0o700
    await until(lambda: (path / "ipfs").is_dir())
    assert (path / "ipfs").stat().st_mode & 0o077 == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_a_bridge_refuses_the_port_of_another(running):
    port = running.info.http.rpartition(":")[2]
    command = [sys.executable, "-m", "cidbus", "bridge", "--port", port, "--data-dir", running.info.data_dir]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, told = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode != 0
    assert b"address already in use" in told


@pytest.mark.asyncio(loop_scope="module")
async def test_nobody_gets_the_port_while_the_bridge_is_started_again(running):
    port = int(running.info.http.rpartition(":")[2])
    psutil.Process(running.kill("bridge")).wait(5)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    await until(lambda: lives(running))


async def lives(system) -> bool:
    try:
        async with system.http.get(f"{system.info.http}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


@pytest.mark.asyncio(loop_scope="module")
async def test_an_actor_joins_the_running_system_without_being_told_its_server(running):
    command = [sys.executable, "-m", "cidbus", "actor", "ipfs", "--data-dir", running.info.data_dir]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        while len((await running.get("/stats"))["actors"]) < 5:
            assert process.returncode is None
    finally:
        process.terminate()
        assert await process.wait() == 0


async def test_what_a_killed_system_left_is_not_told_as_running(tmp_path):
    async with running_system(throw_away=False, data_dir=tmp_path) as system:
        left = system.system.data_dir.info_path.read_bytes()
    folder = DataDir(tmp_path)
    folder.info_path.write_bytes(left)
    assert folder.read_info() is None


async def test_parts_that_are_all_told_to_end_at_once_end_soon(tmp_path):
    process = up(tmp_path)
    assert process.stdout.readline()
    children = psutil.Process(process.pid).children()
    began = time.monotonic()
    for each in [*children, psutil.Process(process.pid)]:
        each.terminate()
    assert await asyncio.to_thread(process.wait, 30) == 0
    assert time.monotonic() - began < 8
    process.stdout.close()
