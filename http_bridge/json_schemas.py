"""JSON schemas of the table's models, as the documents need them: one place, referred to from everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

__all__ = ["Document", "REFERENCE", "references_and_schemas"]

Document = dict[str, Any]

REFERENCE = "#/components/schemas/{model}"


def references_and_schemas(
    asks: Iterable[type[BaseModel]], answers: Iterable[type[BaseModel]]
) -> tuple[dict[Any, Document], Document]:
    """A reference for each model by its class, and the schemas by name; asks as they are read, answers as
    they are written."""
    wanted: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in _sorted(asks)]
    wanted += [(model, "serialization") for model in _sorted(answers)]
    references, schema = models_json_schema(wanted, ref_template=REFERENCE)
    return {model: reference for (model, _), reference in references.items()}, schema["$defs"]


def _sorted(models: Iterable[type[BaseModel]]) -> list[type[BaseModel]]:
    return sorted(set(models), key=lambda model: model.__name__)
