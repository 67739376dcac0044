"""Questions to the index: filters, sorting, cursors, aggregates and how they are answered."""

from .aggregate import Aggregation, aggregate
from .explain import explain
from .expression import expression
from .filter import Node, parse_filter
from .observed import Observed, observed
from .query import Query
from .result import Result
from .rows import json_rows
from .run import run

__all__ = [
    "Query", "Result", "run",
    "Aggregation", "aggregate",
    "Node", "parse_filter", "expression", "explain",
    "Observed", "observed", "json_rows",
]  # fmt: skip
