"""The gateway's settings from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from cidbus.http_bridge import BridgeSettings
from cidbus.http_bridge.gateway.environment import gateway_environment
from cidbus.schemas.errors import BadRequest


def test_every_kind_of_setting_is_read_from_text():
    found = gateway_environment(
        {
            "CIDBUS_GATEWAY_HOSTS": "localhost, dweb.example,",
            "CIDBUS_GATEWAY_TRUSTLESS_ONLY": "true",
            "CIDBUS_GATEWAY_DENYLISTS": "/etc/denylists",
            "CIDBUS_GATEWAY_MAX_REQUESTS": "7",
            "CIDBUS_GATEWAY_TOTAL_TIMEOUT_S": "2.5",
            "CIDBUS_GATEWAY_SERVICE_HOST": "10.0.0.1",
            "HOME": "/root",
        }
    )
    assert found == {
        "gateway_hosts": ("localhost", "dweb.example"),
        "gateway_trustless_only": True,
        "gateway_denylists": Path("/etc/denylists"),
        "gateway_max_requests": 7,
        "gateway_total_timeout_s": 2.5,
    }
    assert BridgeSettings(**found).gateway_max_requests == 7


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("CIDBUS_GATEWAY_MAX_REQUESTS", "many"),
        ("CIDBUS_GATEWAY_MAX_REQUESTS", "0"),
        ("CIDBUS_GATEWAY_TRUSTLESS_ONLY", "perhaps"),
        ("CIDBUS_GATEWAY_RETRIEVAL_TIMEOUT_S", "-1"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_variable(variable, text):
    with pytest.raises(BadRequest) as caught:
        gateway_environment({variable: text})
    assert caught.value.field == variable
