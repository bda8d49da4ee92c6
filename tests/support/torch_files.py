"""Files as torch.save writes them, made without PyTorch."""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict

import numpy as np


class _Tensor:
    """Pickles as PyTorch's tensors do: a function, a storage by its id, offset, shape, strides."""

    def __init__(self, key: str, array: np.ndarray):
        self.key, self.array = key, array

    def __reduce__(self):
        strides = tuple(step // self.array.itemsize for step in self.array.strides)
        arguments = (_Storage(self), 0, self.array.shape, strides, False, OrderedDict())
        return sys.modules["torch._utils"]._rebuild_tensor_v2, arguments


class _Storage:
    def __init__(self, tensor: _Tensor):
        self.tensor = tensor


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        if not isinstance(obj, _Storage):
            return None
        kind = "LongStorage" if obj.tensor.array.dtype.kind == "i" else "FloatStorage"
        storage = getattr(sys.modules["torch"], kind)
        return ("storage", storage, obj.tensor.key, "cpu", obj.tensor.array.size, None)


def _pickled(value) -> bytes:
    file = io.BytesIO()
    _Pickler(file, 2).dump(value)
    return file.getvalue()


def write(path, weights: dict[str, np.ndarray], *, monkeypatch, legacy: bool) -> None:
    """Writes a dictionary of tensors in the format of before or after PyTorch 1.6."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2():
        """Only its name is written."""

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = (
        "torch._utils",
        "_rebuild_tensor_v2",
    )
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    tensors = {str(i): array for i, array in enumerate(weights.values())}
    named = OrderedDict(
        (name, _Tensor(key, tensors[key])) for name, key in zip(weights, tensors, strict=True)
    )
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch", torch)
        patch.setitem(sys.modules, "torch._utils", utils)
        pickled = _pickled(named)
    # A storage holds the numbers in the order in which they lie in memory.
    raw = {key: array.ravel(order="K").tobytes() for key, array in tensors.items()}
    if legacy:
        head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
        body = b"".join(struct.pack("<q", tensors[k].size) + raw[k] for k in tensors)
        path.write_bytes(b"".join(map(_pickled, head)) + pickled + _pickled(list(tensors)) + body)
        return
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for key, data in raw.items():
            archive.writestr(f"archive/data/{key}", data)
