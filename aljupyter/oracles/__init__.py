"""Who answers a query. An oracle is anything that can be called with indices and returns their labels."""

from aljupyter.oracles.dataset import DatasetOracle, Oracle, ask

__all__ = ["DatasetOracle", "Oracle", "ask"]
