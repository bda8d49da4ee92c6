"""Progress without names: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
LINE_EVERY_S = 10.0


def track(items: Iterable[Item], total: int, label: str) -> Iterator[Item]:
    """Yields `items` and shows how many of `total` have passed.

    Args:
        items: Anything; only their number is shown.
        total: How many there will be.
        label: What is done to them.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, desc=label, total=total, leave=False)
        return
    printed_at = time.monotonic()
    for number, item in enumerate(items, 1):
        yield item
        if number == total or time.monotonic() - printed_at >= LINE_EVERY_S:
            printed_at = time.monotonic()
            print(f"{label}: {number} of {total}", flush=True)
