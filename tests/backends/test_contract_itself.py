"""The contract covers every row, and every difference is about one of its behaviours."""

from __future__ import annotations

import re
from pathlib import Path

from cidbus.schemas import subjects
from cidbus.schemas.subjects import calls

from .conftest import READERS
from .differences import DIFFERENCES

SOURCE = "".join(file.read_text() for file in Path(__file__).parent.glob("test_contract_*.py"))
HELPERS = (Path(__file__).parent / "places.py").read_text()


def test_every_row_is_asked():
    names = {id(row): name for name, row in vars(subjects).items()}
    for row in calls("ipfs"):
        assert re.search(rf"subjects\.{names[id(row)]}\b", SOURCE + HELPERS), row


def test_every_difference_is_about_a_behaviour_and_a_place():
    behaviours = set(re.findall(r"async def (test_\w+)", SOURCE))
    for place, behaviour in DIFFERENCES:
        assert behaviour.partition("[")[0] in behaviours
        assert place in (*READERS, "kubo-online")
