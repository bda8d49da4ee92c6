"""The parts that data sets are made of: items, codes, numbers as text, and UIDs."""

import uuid
from collections.abc import Iterable

from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat

_ROOT = "2.25."
"""UIDs that are UUIDs (PS3.5, B.2)."""


def uid_of(pseudonym: str) -> str:
    """Returns the UID that 32 hex digits stand for; equal digits, equal UID."""
    return f"{_ROOT}{uuid.UUID(hex=pseudonym, version=4).int}"


def item(**values) -> Dataset:
    """Returns a data set of keyword to value."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def code(value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    """Returns the item of a code sequence (PS3.3, 8.8)."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def decimals(values: Iterable[float]) -> list[DSfloat]:
    """Returns values as decimal strings of at most 16 characters (PS3.5, 6.2)."""
    return [DSfloat(float(value), auto_format=True) for value in values]
