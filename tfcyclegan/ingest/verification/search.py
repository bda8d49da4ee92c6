"""Looks for given strings in bytes, in the disguises that programs put strings into.

Raw and reversed, each also in UTF-16 and hexadecimal, without regard to case; and base64 at all
three alignments. What is found is reported by its place, never by its text.
"""

import base64
from collections.abc import Iterable, Iterator

import numpy as np

SHORTEST = 5
"""Shorter strings are found in random bytes by chance."""
_START = 4
"""Bytes of a disguise that the search looks up first."""


class Needles:
    """Strings, prepared once for searching many files.

    Args:
        strings: What to look for; of a person's name with ^ (PS3.5, 6.2) each part as well. Those
            below `SHORTEST` characters are left out.

    Attributes:
        count: Strings that are looked for.
        left_out: Strings and parts that were too short.
    """

    def __init__(self, strings: Iterable[str]):
        words = {part for text in strings for part in (text, *text.split("^")) if part}
        usable = {word for word in words if len(word) >= SHORTEST}
        self.count, self.left_out = len(usable), len(words - usable)
        self._folded = _Index(form for word in usable for form in _folded(word))
        self._exact = _Index(form for word in usable for form in _base64(word))

    def offsets(self, content: bytes) -> list[int]:
        """Returns where any disguise of any string begins, in ascending order."""
        places = {*self._folded.offsets(content.lower()), *self._exact.offsets(content)}
        return sorted(places)


def _folded(word: str) -> Iterator[bytes]:
    """Yields the disguises that are compared in lower case; digits of hex keep the word's own."""
    for text in (word, word[::-1]):
        lower = text.lower()
        yield lower.encode("utf-8")
        yield text.encode("utf-8").hex().encode("ascii")
        yield lower.encode("utf-8").hex().encode("ascii")
        yield lower.encode("utf-16-le")
        yield lower.encode("utf-16-be")


def _base64(word: str) -> Iterator[bytes]:
    """Yields the part of the base64 text that does not depend on what stands around the word."""
    for text in {word, word.lower(), word.upper(), word[::-1]}:
        for shift in range(3):
            coded = base64.b64encode(bytes(shift) + text.encode("utf-8")).rstrip(b"=")
            # The first characters depend on the shift too, the last one on what follows the word.
            yield coded[-(-8 * shift // 6) : -1]


class _Index:
    """Finds any of many byte strings in one pass: their first four bytes are looked up by NumPy."""

    def __init__(self, forms: Iterable[bytes]):
        self._forms: dict[bytes, list[bytes]] = {}
        for form in {form for form in forms if len(form) >= _START}:
            self._forms.setdefault(form[:_START], []).append(form)
        starts = sorted(int.from_bytes(start, "little") for start in self._forms)
        self._starts = np.array(starts, np.uint32)
        # Most places are ruled out by two bytes, a table small enough for the cache.
        self._pairs = np.zeros(1 << 16, bool)
        self._pairs[self._starts & 0xFFFF] = True

    def offsets(self, content: bytes) -> Iterator[int]:
        data = np.frombuffer(content, np.uint8)
        if data.size < _START or not self._starts.size:
            return
        pairs = data[:-1].astype(np.uint16) | (data[1:].astype(np.uint16) << 8)
        places = np.flatnonzero(self._pairs[pairs[: data.size - _START + 1]])
        words = pairs[places] | (pairs[places + 2].astype(np.uint32) << 16)
        for place in places[np.isin(words, self._starts)]:
            at = int(place)
            forms = self._forms[content[at : at + _START]]
            if any(content.startswith(form, at) for form in forms):
                yield at
