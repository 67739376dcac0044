"""What docs/media.md names is there: its routes, fields, settings and files."""

from __future__ import annotations

import re
from pathlib import Path

from cidbus.actors.media.settings import MediaSettings
from cidbus.http_bridge.openapi import openapi_document

PAGE = (Path(__file__).parents[2] / "docs" / "media.md").read_text()


def test_every_route_and_field_of_the_page_is_served():
    document = openapi_document()
    routes = re.findall(
        r"^(GET|POST) (/api/v0/mcp\S*?)(\[/\{path\}\])?(?:\s+(\{.*?\}))?(?:\s|$)", PAGE, re.MULTILINE
    )
    assert len(routes) >= 6
    for method, path, below, body in routes:
        operation = document["paths"][path][method.lower()]
        assert not below or f"{path}/{{path}}" in document["paths"]
        if body:
            reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            fields = document["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
            assert set(re.findall(r'"(\w+)":', body)) <= set(fields)
    streaming = document["paths"]["/api/v0/mcp/cli/stream/media/{cid}"]["get"]["parameters"]
    for row in re.findall(r"^\| (`.*?`) \|", PAGE, re.MULTILINE):
        assert set(re.findall(r"`(\w+)`", row)) <= {field["name"] for field in streaming}


def test_every_setting_of_the_page_exists_with_its_default():
    settings = MediaSettings()
    named = dict(re.findall(r"`CIDBUS_MEDIA_(\w+)` \((\d+)", PAGE))
    assert {"KEEP_DAYS", "WORKERS", "WORKER_MEMORY"} == set(named)
    for name, default in named.items():
        value = getattr(settings, name.lower())
        assert value in (int(default), int(default) << 30)
