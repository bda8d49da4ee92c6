"""Weights from a user's file: identified by its SHA-256, and read without PyTorch or foreign code.

A `.pth` file holds pickles, which can run anything when they are loaded. Here they may name what a
dictionary of tensors needs and nothing else.
"""

import hashlib
import io
import pathlib
import pickle
import zipfile
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from tfcyclegan.errors import ExitCode, UserError

_STORAGES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2"} | {
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}
"""PyTorch's classes of storage to NumPy's names of their numbers."""
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
"""First pickle of the format that torch.save wrote before 1.6."""


def sha256_of(
    path: pathlib.Path, flag: str = "--extractor must name a readable file after its colon"
) -> str:
    """Returns the hexadecimal SHA-256 of a file.

    Args:
        path: The file.
        flag: What the message says if it cannot be read.

    Raises:
        UserError: The file cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(
            f"{flag}. Received: {path} ({error.strerror}).",
            ExitCode.MISSING,
        ) from error


def read_torch(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a `.pth` file by name, of either format of torch.save.

    Raises:
        UserError: The file is no dictionary of tensors, or asks for code.
    """
    try:
        if zipfile.is_zipfile(path):
            return _read_zip(path)
        return _read_legacy(path)
    except Exception as e:  # a damaged zip or pickle raises nearly anything, MemoryError too
        raise UserError(
            "Weights must be a file of torch.save that holds a dictionary of tensors. Received:"
            f" {path}, which is damaged or something else ({type(e).__name__}).",
            ExitCode.DAMAGED,
        ) from e


class _Storage(NamedTuple):
    """Numbers that tensors are windows of; `numbers` is filled when their bytes are read."""

    key: str
    dtype: str
    numbers: dict[str, np.ndarray]


class _Tensor(NamedTuple):
    """Where in a storage a tensor's numbers lie."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> np.ndarray:
        """Returns a copy of the numbers; a window that leaves its storage is refused."""
        numbers = self.storage.numbers[self.storage.key]
        spans = [(n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True)]
        # as_strided itself checks nothing and would read foreign memory.
        if min([self.offset, *self.strides]) < 0 or self.offset + sum(spans) >= len(numbers):
            raise ValueError("outside its storage")
        steps = [stride * numbers.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, steps).copy()


def _rebuild_tensor(storage, offset, shape, strides, requires_grad, hooks, *metadata) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _Unpickler(pickle.Unpickler):
    """Reads pickles of tensors; every other name is refused."""

    def __init__(self, file, numbers: dict[str, np.ndarray]):
        super().__init__(file, encoding="utf-8")
        self._numbers = numbers
        self.dtypes: dict[str, str] = {}

    def find_class(self, module: str, name: str):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _STORAGES:
            return name
        raise pickle.UnpicklingError("a name that no dictionary of tensors needs")

    def persistent_load(self, pid) -> _Storage:
        kind, storage, key = pid[:3]
        if kind != "storage":
            raise pickle.UnpicklingError("not a storage")
        self.dtypes[key] = _STORAGES[storage]
        return _Storage(key, self.dtypes[key], self._numbers)


def _read_zip(path: pathlib.Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        (index,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = index.removesuffix("data.pkl")
        numbers: dict[str, np.ndarray] = {}
        unpickler = _Unpickler(io.BytesIO(archive.read(index)), numbers)
        tensors = unpickler.load()
        for key, dtype in unpickler.dtypes.items():
            numbers[key] = np.frombuffer(archive.read(f"{folder}data/{key}"), dtype)
    return _arrays(tensors)


def _read_legacy(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Three small pickles, the tensors, the order of the storages, and their raw numbers."""
    with path.open("rb") as file:
        numbers: dict[str, np.ndarray] = {}
        if _Unpickler(file, numbers).load() != _MAGIC_NUMBER:
            raise ValueError("not a file of torch.save")
        for _ in range(2):  # version, and facts of the machine
            _Unpickler(file, numbers).load()
        unpickler = _Unpickler(file, numbers)
        tensors = unpickler.load()
        for key in _Unpickler(file, numbers).load():
            dtype = np.dtype(unpickler.dtypes[key])
            count = int.from_bytes(file.read(8), "little")
            numbers[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype)
            if len(numbers[key]) != count:
                raise EOFError
    return _arrays(tensors)


def _arrays(tensors) -> dict[str, np.ndarray]:
    return {name: tensor.array() for name, tensor in tensors.items()}
