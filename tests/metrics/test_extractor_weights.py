"""Weight files: both formats of torch.save, damage, and pickles that would run something."""

import hashlib
import os
import pickle

import numpy as np
import pytest
import torch_files

from tfcyclegan.errors import UserError
from tfcyclegan.metrics.extractors.weight_files import read_torch, sha256_of

RNG = np.random.default_rng(0)
WEIGHTS = {
    "conv.weight": RNG.normal(size=(4, 3, 2, 2)).astype(np.float32),
    # As converters leave kernels: the shape is transposed, the numbers lie as they lay.
    "turned.weight": RNG.normal(size=(2, 2, 3, 4)).astype(np.float32).transpose(3, 2, 0, 1),
    "bn.running_mean": RNG.normal(size=5).astype(np.float32),
    "bn.num_batches_tracked": np.array(7, np.int64),
}


@pytest.fixture(params=[True, False], ids=["legacy", "zip"])
def file(request, tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    torch_files.write(path, WEIGHTS, monkeypatch=monkeypatch, legacy=request.param)
    return path


def test_tensors_arrive_as_they_were(file):
    found = read_torch(file)
    assert list(found) == list(WEIGHTS)
    for name, expected in WEIGHTS.items():
        np.testing.assert_array_equal(found[name], expected)
        assert found[name].dtype == expected.dtype
    assert sha256_of(file) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_damage_is_said(file):
    whole = file.read_bytes()
    for length in (0, 3, len(whole) // 4, len(whole) - 9):
        file.write_bytes(whole[:length])
        with pytest.raises(UserError, match="dictionary of tensors. Received: .*weights.pth"):
            read_torch(file)


def test_a_changed_byte_is_refused_or_changes_a_number(file):
    """Sums of zip archives, lengths of storages: what goes wrong first is another each time."""
    whole, refused = file.read_bytes(), 0
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        file.write_bytes(damaged)
        try:
            read_torch(file)
        except UserError:
            refused += 1
    assert refused > 50  # the others changed a number


class _Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_code_in_a_file_does_not_run(tmp_path):
    trace, path = tmp_path / "trace", tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(_Harmful(trace)))
    with pytest.raises(UserError, match="something else .UnpicklingError"):
        read_torch(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.exists()  # a plain load would have run it


def test_a_tensor_outside_its_storage_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    torch_files.write(
        path, {"w": np.ones((2, 2), np.float32)}, monkeypatch=monkeypatch, legacy=True
    )
    np.testing.assert_array_equal(read_torch(path)["w"], np.ones((2, 2)))
    # The count of numbers and the numbers are the last bytes: three where the tensor has four.
    whole = path.read_bytes()
    path.write_bytes(whole[: -4 * 4 - 8] + (3).to_bytes(8, "little") + whole[-3 * 4 :])
    with pytest.raises(UserError, match="ValueError"):
        read_torch(path)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(UserError, match="--extractor must name a readable file") as error:
        sha256_of(tmp_path / "none.pth")
    assert error.value.exit_code == 5
