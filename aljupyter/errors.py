"""Every error a user can meet, in one place.

All derive from :class:`AlJupyterError` *and* from the builtin that a caller would expect. A message says what was
given, what was expected and what to do. Whatever raises leaves the state before it as it was.
"""


class AlJupyterError(Exception):
    """Base of all errors of this package."""


# --- data -----------------------------------------------------------------------------------------------------------


class DataError(AlJupyterError, ValueError):
    """The data cannot be used as given."""


class NonFiniteFeatures(DataError):
    """A feature is NaN or infinite."""


class WrongShape(DataError):
    """An array has another shape than expected."""


class MixedColumn(DataError):
    """A column holds more than one kind of value, or a kind that is not understood."""


class UnknownColumn(AlJupyterError, KeyError):
    """A column was named that the table does not have."""

    def __str__(self) -> str:  # KeyError prints the repr of its argument: quotes and escapes in the sentence
        return str(self.args[0]) if self.args else ""


class UnknownTask(DataError):
    """Neither labels nor arguments say whether this is classification or regression."""


class IndexOutOfRange(AlJupyterError, IndexError):
    """An index is not a row of the dataset."""


class RepeatedIndices(DataError):
    """The same index was given twice."""


class OverlappingViews(DataError):
    """One point would stand in two views (train, validation, test) at once."""


class IndexOutOfPool(DataError):
    """A label was given to a point that is not in the pool: of the test or validation view, say."""


class AlreadyLabelled(DataError):
    """A label was given to a point that has one."""


class NotLabelled(DataError):
    """A label was to be taken back from a point that has none."""


class InvalidLabel(DataError):
    """A label is not one of the classes, or not a finite number."""


class MissingLabels(DataError):
    """Labels are needed for points that have none in the dataset."""


class TooLargeForMemory(AlJupyterError, MemoryError):
    """A view is larger than the memory budget; stream it with ``chunks()``."""


# --- datasets of the catalogue -------------------------------------------------------------------------------------


class UnknownDataset(AlJupyterError, KeyError):
    """No dataset has this name."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class InvalidOption(AlJupyterError, ValueError):
    """A dataset or a task was asked for in a way that it does not have."""


class UnknownStart(InvalidOption):
    """A task was asked for with a start that it does not have."""


class FoldOutOfRange(AlJupyterError, IndexError):
    """A fold was asked for that there is not."""


class DownloadFailed(AlJupyterError, OSError):
    """A file is not on this machine, and no source gave it."""


class WrongChecksum(DownloadFailed, ValueError):
    """A file is not, byte by byte, the one that the catalogue describes."""


class CacheNotWritable(AlJupyterError, PermissionError):
    """The folder for downloaded files cannot be written to."""


class OtherData(DataError):
    """A frozen task belongs to other data than those at hand."""


class MissingLibrary(AlJupyterError, ImportError):
    """Something needs a library that is not installed."""


# --- models and measures --------------------------------------------------------------------------------------------


class ModelError(AlJupyterError, ValueError):
    """A model cannot do what was asked."""


class NoLabels(ModelError):
    """A model was to be fitted on an empty labelled set."""


class OneClassOnly(ModelError):
    """A classifier was to be fitted on labels of one class."""


class NotFitted(AlJupyterError, RuntimeError):
    """Something was asked of a model that has not been fitted."""


class UnsupportedModel(AlJupyterError, TypeError):
    """An object cannot be used as a model, or not for this task."""


class InvalidPosterior(AlJupyterError, ValueError):
    """Probabilities or moments that cannot be: negative, NaN, not summing to one, of unequal length."""


class ModelLacks(ModelError):
    """A strategy needs something of the model that this one does not have."""


class NoDraws(ModelLacks):
    """A measure needs draws from the posterior, and the model gives none."""


class TooFewClasses(AlJupyterError, ValueError):
    """A measure needs at least two classes."""


class WrongTask(AlJupyterError, TypeError):
    """A measure or strategy for classification was given a regression model, or the other way round."""


# --- the loop -------------------------------------------------------------------------------------------------------


class QuerySizeError(AlJupyterError, ValueError):
    """A query of no point, or of more points than the pool has."""


class EmptyPool(QuerySizeError):
    """Every point of the pool is labelled."""


class QuotaError(QuerySizeError):
    """A batch of this size cannot keep its quota."""


class InvalidSelection(AlJupyterError, ValueError):
    """A strategy chose points that are not to be had, or not as many as were asked."""


class InvalidScores(AlJupyterError, ValueError):
    """A strategy gave scores that are NaN, or not one a point."""


class InvalidParameter(AlJupyterError, ValueError):
    """A parameter of a measure, a strategy or a selection has a value that makes no sense."""


class UnknownStrategy(AlJupyterError, KeyError):
    """No strategy has this name."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class UnknownRound(AlJupyterError, IndexError):
    """A round was asked for that has not been played."""


class NothingToUndo(AlJupyterError, RuntimeError):
    """There is no round to undo."""


class LearnerBusyError(AlJupyterError, RuntimeError):
    """Another call is using this learner now."""


class RoundCancelled(AlJupyterError, RuntimeError):
    """The round was cancelled; the learner is as it was before it."""


class OracleError(AlJupyterError, RuntimeError):
    """The oracle cannot answer, or gave an answer that cannot be used."""


# --- journal ---------------------------------------------------------------------------------------------------------


class JournalError(AlJupyterError, OSError):
    """A journal cannot be read or written, or was given what it cannot hold. Nothing was acknowledged."""


class JournalDamaged(JournalError):
    """The file is no journal, or not as it was written."""


class JournalMismatch(JournalError, ValueError):
    """The journal belongs to other data."""


class JournalConflict(AlJupyterError, ValueError):
    """An event contradicts what the journal holds."""


# --- widgets --------------------------------------------------------------------------------------------------------


class ViewError(AlJupyterError, ValueError):
    """A view was asked for something that it cannot show."""


# --- warnings -------------------------------------------------------------------------------------------------------


class RedundantBatch(UserWarning):
    """A batch was chosen by scores alone, of a kind whose highest are known to be much the same point."""
