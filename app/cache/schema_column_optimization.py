"""`from cidbus.cache.schema_column_optimization import SchemaOptimizer, WorkloadType`."""

from cidbus.actors.cache.optimize.observed import Observed
from cidbus.actors.cache.optimize.optimizer import SchemaOptimizer
from cidbus.actors.cache.optimize.proposal import Change, Policy, Proposal
from cidbus.actors.cache.optimize.statistics import ColumnFacts, ColumnStatistics
from cidbus.actors.cache.optimize.workload import WorkloadType, layout_for

__all__ = [
    "SchemaOptimizer", "WorkloadType", "layout_for",
    "Observed", "ColumnFacts", "ColumnStatistics",
    "Change", "Policy", "Proposal",
]  # fmt: skip
