"""What docs/file-tree.md says of the journal's settings is so."""

from __future__ import annotations

import re
from pathlib import Path

from cidbus.actors.journal.settings import JournalSettings

PAGE = (Path(__file__).parent.parent.parent / "docs" / "file-tree.md").read_text()
ROWS = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", PAGE, re.MULTILINE)


def test_every_setting_is_in_the_table_with_its_default():
    shown = dict(ROWS)
    assert [name.lower() for name in shown] == list(JournalSettings.model_fields)
    settings = JournalSettings.of({})
    for name, default in shown.items():
        value = getattr(settings, name.lower())
        if value not in (None, ()):
            expected = f"{value:g}" if isinstance(value, float) else str(value)
            assert default.strip("`").lower() == expected.lower(), name
