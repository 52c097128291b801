"""The data of active learning: who is labelled, unlabelled, validation, test."""

from aljupyter.data.manager import DataManager, Snapshot
from aljupyter.data.subset import Subset

__all__ = ["DataManager", "Snapshot", "Subset"]
