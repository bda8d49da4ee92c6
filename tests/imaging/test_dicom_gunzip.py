"""Seeking in a gzip file gives the bytes that `gzip` gives, whatever the order."""

import gzip
import random

import pytest

from tfcyclegan.imaging.source.gunzip import Gunzipped
from tfcyclegan.privacy.reasons import Refusal

CONTENT = b"".join(random.Random(n).randbytes(50) * (n % 90 + 1) for n in range(3000))


@pytest.fixture(params=["one member", "many members", "zeros behind"])
def packed(request, tmp_path, monkeypatch):
    monkeypatch.setattr("tfcyclegan.imaging.source.gunzip.MARK_EVERY", 1 << 17)
    monkeypatch.setattr("tfcyclegan.imaging.source.gunzip._BLOCK", 1 << 12)
    step = len(CONTENT) if request.param == "one member" else 77_777
    parts = [gzip.compress(CONTENT[i : i + step]) for i in range(0, len(CONTENT), step)]
    path = tmp_path / "x"
    path.write_bytes(b"".join(parts) + bytes(512 if request.param == "zeros behind" else 0))
    return path


def test_all_of_it_is_read(packed):
    stream = Gunzipped(packed.open("rb"))
    same = stream.read(len(CONTENT) + 1) == CONTENT  # a comparison of this size is not to be shown
    assert same and stream.read(1) == b""


def test_any_part_is_read_in_any_order(packed):
    stream, draw = Gunzipped(packed.open("rb")), random.Random(1)
    for _ in range(200):
        at, count = draw.randrange(len(CONTENT)), draw.randrange(70_000)
        assert stream.seek(at) == at == stream.tell()
        same = stream.read(count) == CONTENT[at : at + count]
        assert same
    stream.seek(len(CONTENT) + 5)
    assert stream.read(1) == b""


def test_a_second_visit_costs_the_way_from_a_mark(packed, monkeypatch):
    stream = Gunzipped(packed.open("rb"))
    stream.read(len(CONTENT))
    blocks, step = [], Gunzipped._next_block
    monkeypatch.setattr(Gunzipped, "_next_block", lambda g: blocks.append(1) or step(g))
    stream.seek(len(CONTENT) - 10)
    assert stream.read(10) == CONTENT[-10:]
    assert len(blocks) <= 3, "the whole file has more than twenty blocks"
    assert packed.stat().st_size > 20 << 12


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b[:2000] + b"\xff" * 50 + b[2050:]])
def test_damage_is_an_error(tmp_path, damage):
    (tmp_path / "x").write_bytes(damage(gzip.compress(CONTENT)))
    with pytest.raises(Refusal, match="archive_error"):
        Gunzipped((tmp_path / "x").open("rb")).read(len(CONTENT) + 1)
