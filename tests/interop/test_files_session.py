"""kubo-rpc-client's files API gives over a whole session what Kubo has given."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kubo_daemon import KuboDaemon, kubo_binary

from .files_session import SESSION, differences, played, recorded
from .node import INSTALL_S, JavaScript

pytestmark = pytest.mark.timeout(INSTALL_S + 60)  # the first of them waits for npm


def test_a_session_over_the_tree_gives_what_kubo_has_given(cidbus_rpc: JavaScript):
    assert not differences(played(cidbus_rpc), recorded())


def test_something_else_than_kubos_result_is_expected_only_where_there_is_a_reason():
    for step, result in zip(SESSION, recorded()["results"], strict=True):
        assert step.otherwise != result, step.shown
        assert (step.otherwise is None) == (not step.reason), step.shown


@pytest.mark.skipif(kubo_binary() is None, reason="no Kubo: set CIDBUS_KUBO to the path of an ipfs binary")
def test_the_recording_is_what_kubo_says(kubo: KuboDaemon, rpc_of: Callable[[str], JavaScript]):
    client, recording = rpc_of(kubo.rpc_url), recorded()
    if client("version")["version"] != recording["version"]:
        pytest.skip(f"the recording is of Kubo {recording['version']}")
    made = played(client)
    assert made["added"] == recording["added"]
    assert made["results"] == recording["results"]
