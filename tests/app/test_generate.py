"""The client's methods are what the table says."""

from __future__ import annotations

import inspect

from cidbus.client.generate import METHODS, generate
from cidbus.client.methods import Ipfs
from cidbus.schemas.subjects import calls


def test_the_generated_methods_are_current():
    assert METHODS.read_text() == generate(), "run python -m cidbus.client.generate"


def test_every_row_has_a_method_with_the_row_s_fields():
    for row in calls("ipfs"):
        method = getattr(Ipfs, row.verb.replace(".", "_"))
        parameters = set(inspect.signature(method).parameters)
        assert parameters >= set(row.ask.model_fields) - {"content", "data", "object"}
        assert row.summary in (method.__doc__ or "")


def test_required_fields_may_be_given_by_position_and_others_only_by_name():
    parameters = inspect.signature(Ipfs.pin_update).parameters.values()
    assert [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == ["self", "from_cid", "to_cid"]
    assert [p.name for p in parameters if p.kind is p.KEYWORD_ONLY] == ["unpin", "backend", "timeout_s"]
