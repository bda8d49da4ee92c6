"""Log hygiene around pydicom, which quotes values in warnings, log lines and exceptions."""

import collections
import contextlib
import logging
import warnings
from collections.abc import Iterator

import pydicom

_SILENT = logging.CRITICAL + 1
"""Above every level, because this program has its own words for every condition."""


@contextlib.contextmanager
def silenced() -> Iterator[collections.Counter]:
    """Silences pydicom and its plugins, and yields a count of warnings by category.

    Yields:
        Counter of warning class names, filled when the block ends.
    """
    counts: collections.Counter = collections.Counter()
    logger = logging.getLogger("pydicom")
    level, propagate = logger.level, logger.propagate
    nested = level == _SILENT
    mode = pydicom.config.settings.reading_validation_mode
    if not nested:  # each change of a level empties a cache of every logger there is
        logger.setLevel(_SILENT)
    logger.propagate = False
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield counts
        counts.update(_name(warning.category) for warning in caught)
    finally:
        if not nested:
            logger.setLevel(level)
        logger.propagate = propagate
        pydicom.config.settings.reading_validation_mode = mode


def _name(category: type[Warning]) -> str:
    """Warnings of this program have a code of their own."""
    return getattr(category, "code", category.__name__)
