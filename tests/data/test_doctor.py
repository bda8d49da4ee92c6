"""The doctor on records with a planted difference: the right finding, and its number by hand."""

import re

import numpy as np
import paired_heads
import pytest
from forked import finished
from places import ROOT
from record_sets import head, record, write_dataset, write_index, write_shard

from tfcyclegan.config import DomainsConfig
from tfcyclegan.data import doctor, manifest
from tfcyclegan.data.head import head as head_of
from tfcyclegan.errors import UserError
from tools import compare_domains

SLICES = 5


def shares(index: int) -> float:
    return index / (SLICES - 1)


def records_with(directory, change, patients=((0, 1), (0, 1))):
    """Converted records of one split; `change(sequence, patient, index)` replaces features."""
    shards = []
    for sequence, ids in zip(("t2", "flair"), patients, strict=True):
        rows = [
            record(sequence, p, i, SLICES, **change(sequence, p, i))
            for p in ids
            for i in range(SLICES)
        ]
        shards.append(write_shard(directory, "train", sequence, rows))
    write_index(directory, shards)
    return directory


def examined(directory, capsys) -> tuple[int, str, dict[str, float]]:
    """Exit code, what is printed, and the difference of each finding by the start of its name."""
    code = compare_domains.main(DomainsConfig.parse(str(directory)))
    text = capsys.readouterr().out
    found = [
        line.split(": ") for line in text.splitlines() if re.match("(serious )?finding: ", line)
    ]
    return code, text, {part[1]: float(part[2].split()[3].rstrip(",")) for part in found}


def test_domains_of_the_same_patients_have_no_finding(tmp_path, capsys):
    code, text, found = examined(records_with(tmp_path, lambda *_: {}), capsys)
    assert code == 0 and found == {} and "no finding: the domains are alike" in text


@pytest.mark.parametrize(
    ("start", "statistic", "code"),
    # t2 stands at 0, 1/4, 1/2, 3/4, 1; below `start` lie 2 or 3 of these 5 and no FLAIR slice.
    [(0.3, 2 / 5, 0), (0.6, 3 / 5, 2)],
)
def test_a_shift_of_slice_positions_is_found_with_its_statistic(
    tmp_path, capsys, start, statistic, code
):
    def change(sequence, patient, index):
        moved = start + (1 - start) * shares(index)
        return {"geom/slice_frac": moved} if sequence == "flair" else {}

    got, text, found = examined(records_with(tmp_path, change), capsys)
    assert got == code and "--match_slice_position" in text
    assert ("serious finding" in text) == (code == 2)
    assert found == {"relative slice position, mean": pytest.approx(statistic, abs=1e-3)}


def test_another_spacing_is_found_with_its_relative_difference(tmp_path, capsys):
    def change(sequence, patient, index):
        return {"geom/out_spacing_mm": 0.8} if sequence == "flair" else {}

    code, text, found = examined(records_with(tmp_path, change), capsys)
    assert code == 0 and "--fixed_spacing" in text and "204.8" in text
    assert found == {"field of view, mean, mm": pytest.approx(0.2, abs=1e-3)}


def test_blank_slices_at_the_end_are_counted_and_what_they_leave_is_compared(tmp_path, capsys):
    blank = np.zeros_like(head("t2", 0, 0, SLICES))

    def change(sequence, patient, index):
        last = sequence == "t2" and index == SLICES - 1
        return {"image/data": blank} if last else {}

    code, text, found = examined(records_with(tmp_path, change), capsys)
    assert code == 0 and "--min_foreground" in text
    assert found == {
        "share of blank slices": pytest.approx(1 / 5, abs=1e-3),
        "relative slice position, mean": pytest.approx(1 / 5, abs=1e-3),
        "height covered by a series, mean, mm": pytest.approx(5 / 20, abs=1e-3),
    }


def test_a_domain_without_any_usable_slice_is_serious(tmp_path, capsys):
    blank = np.zeros_like(head("t2", 0, 0, SLICES))
    code, _, found = examined(records_with(tmp_path, lambda *_: {"image/data": blank}), capsys)
    assert code == 2 and found == {"share of blank slices": 1.0}


def test_lesions_of_patients_in_one_domain_are_found_beyond_those_of_both(tmp_path, capsys):
    def change(sequence, patient, index):
        image = head(sequence, patient, index, SLICES)
        if sequence == "flair" and patient in (4, 5):
            image[184:192, 124:132] = 65535
        return {"image/data": image}

    directory = records_with(tmp_path, change, patients=((0, 1, 2, 3), (0, 1, 4, 5)))
    _, _, found = examined(directory, capsys)
    assert found == {
        "share of slices with a bright focus (a proxy of lesions)": pytest.approx(0.5, abs=1e-3)
    }


@pytest.mark.parametrize(
    ("row", "side", "expected"),
    # Of a disc of 100 mm at 1 mm: too small, a focus, too large, in the rim of 20 mm.
    [(128, 3, False), (128, 4, True), (128, 18, False), (40, 4, False)],
)
def test_a_bright_focus_is_small_and_deep(row, side, expected):
    y, x = np.mgrid[:256, :256] - 128
    rng = np.random.default_rng(0)
    image = np.where(np.hypot(y, x) < 100, 0.5 + rng.uniform(-0.01, 0.01, (256, 256)), 0.0)
    image[row : row + side, 128 : 128 + side] = 0.9
    (mask,) = head_of(image[np.newaxis, ..., np.newaxis])
    assert doctor.has_bright_focus(image, mask, 1.0) is expected


def test_a_patient_in_two_splits_is_refused_before_anything_is_compared(tmp_path):
    shards = manifest.read(write_dataset(tmp_path, slices=1))
    moved = manifest.Shard(**{**vars(shards[0]), "patients": shards[-1].patients})
    write_index(tmp_path, [moved, *shards[1:]])
    with pytest.raises(UserError, match="A patient belongs to one split") as caught:
        compare_domains.main(DomainsConfig.parse(str(tmp_path)))
    assert caught.value.exit_code == 8


def test_the_command_compares_the_split_and_the_domains_that_are_asked_for(dataset):
    code, text = finished(str(ROOT / "tools" / "compare_domains.py"), str(dataset), "--split=val")
    assert code == 0 and "t2" in text and "flair" in text
    words = (str(ROOT / "tools" / "compare_domains.py"), str(dataset), "--domain_b=t1")
    code, text = finished(*words)
    assert code == 2 and "holds no t1 slices in split train" in text and "Traceback" not in text
    code, text = finished(words[0], str(dataset), "--dry_run")
    assert code == 0 and "--domain_b=flair" in text and "patients" not in text
    with pytest.raises(UserError, match="--domain_a and --domain_b must differ"):
        DomainsConfig.parse(str(dataset), "--domain_b=t2")


@pytest.mark.parametrize(
    ("change", "name", "share", "words"),
    [
        (
            lambda b: b[:, :, ::-1],
            "share of pairs that do not fit",
            0.25,
            "in 1 studies throughout",
        ),
        (
            lambda b: np.roll(b, 2, 1),
            "share of pairs that have moved by more than 1 %",
            0.25,
            "moved between",
        ),
    ],
)
def test_pairs_that_do_not_show_one_place_are_counted(change, name, share, words):
    a, b = (paired_heads.brains(inverted=inverted) for inverted in (False, True))
    b[: paired_heads.HEIGHTS] = change(b[: paired_heads.HEIGHTS])
    pairs = doctor._pairs((paired_heads.slices(a), paired_heads.slices(b)))
    assert pairs[0].a == 28
    assert {m.name: m.difference for m in pairs if m.severity} == {name: share}
    assert words in doctor.report(pairs, ("t2", "flair"))
