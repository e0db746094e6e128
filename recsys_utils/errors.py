"""The errors that the package raises on purpose.

Each message names the argument, the value that was found and a remedy.
"""


class RecsysError(Exception):
    """Base of every error that the package raises on purpose."""


class InvalidInput(RecsysError, ValueError):
    """An argument holds a value that the function cannot work with."""


class Diverged(InvalidInput):
    """A fit overflowed, or a model's numbers are no longer finite: its settings do not go with the data."""


class UnknownIdError(RecsysError, KeyError):
    """A user or item id that the data or the model has never seen."""

    def __str__(self) -> str:
        # KeyError shows the repr of its argument; a sentence should stay one.
        return str(self.args[0]) if self.args else ""


class NotFittedError(RecsysError, RuntimeError):
    """A model was asked for something before it was fitted."""


class DataUnavailable(RecsysError, RuntimeError):
    """A data set that none of the sources could give."""

    def _render_traceback_(self) -> list[str]:
        """In a notebook the message alone, which tells what to do, instead of a page of calls above it."""
        return [f"{type(self).__name__}: {self}"]


class CorruptArchive(DataUnavailable):
    """An archive or a file whose content is not the published one."""


class MissingDependency(RecsysError, ImportError):
    """An optional library that the called function needs is not installed."""


class StoreUnavailable(RecsysError, ConnectionError):
    """A store of recommendations that does not answer, is full, or holds nothing yet."""


class GenerationConflict(RecsysError, RuntimeError):
    """Another generation was committed, or the served one changed, since this one was begun."""


class CorruptRecord(RecsysError, ValueError):
    """Stored bytes that are damaged or were written in another format."""
