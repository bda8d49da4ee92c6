"""Frames become volumes: sorted by position, split where acquired apart, repeats resolved."""

import dataclasses
import random

import pytest

from tfcyclegan.imaging import volumes
from tfcyclegan.imaging.frames import Frame, Layout, Physics

LAYOUT = Layout("1.2.840.10008.1.2.1", 64, 64, 1, 16, 16, False, False, False, None)
T2 = Physics(te_ms=99, tr_ms=6000, scanning=frozenset({"SE"}))
AXIAL, SAGITTAL = (1.0, 0, 0, 0, 1.0, 0), (0, 1.0, 0, 0, 0, -1.0)


def frame(z=0.0, number=0, **changes) -> Frame:
    made = Frame(
        object_index=number,
        frame_index=0,
        patient="p",
        study="st",
        series="se",
        frame_of_ref="f",
        instance=f"i{number:03d}",
        content=f"c{number:03d}",
        position=(0.0, 0.0, z),
        orientation=AXIAL,
        spacing=(1.0, 1.0),
        thickness=4.0,
        slope=1.0,
        intercept=0.0,
        temporal=-1,
        acquisition=-1,
        instance_number=number,
        physics=T2,
        layout=LAYOUT,
    )
    return dataclasses.replace(made, **changes)


def grouped(frames):
    return volumes.group(frames, lambda key, number: f"{key}-{number}")


def shape(grouping):
    """What the outcome is about: numbers of each volume's frames, and the refusals."""
    found = [(v.key, [f.object_index for f in v.frames]) for v in grouping.volumes]
    return found, sorted((f.object_index, reason) for f, reason in grouping.refused)


def test_slices_are_sorted_by_position_and_by_nothing_else():
    heights = [5, -3, 12, 0, 8]
    frames = [frame(z, n, instance_number=-z) for n, z in enumerate(heights)]
    (volume,) = grouped(frames).volumes
    assert [f.position[2] for f in volume.frames] == sorted(heights)


def test_position_counts_along_the_planes_own_normal():
    frames = [
        frame(number=n, orientation=SAGITTAL, position=(x, 3.0 * x, 0))
        for n, x in enumerate([4.0, -4.0, 0.0])
    ]
    (volume,) = grouped(frames).volumes
    # The normal of a sagittal display runs to the right, against x.
    assert [f.position[0] for f in volume.frames] == [4.0, 0.0, -4.0]


@pytest.mark.parametrize(
    "change",
    [
        {"orientation": SAGITTAL},
        {"spacing": (1.0, 1.1)},
        {"layout": dataclasses.replace(LAYOUT, rows=32)},
        {"physics": dataclasses.replace(T2, te_ms=20)},
        {"physics": dataclasses.replace(T2, ti_ms=2500)},
        {"physics": dataclasses.replace(T2, b_value=1000)},
        {"physics": dataclasses.replace(T2, kinds=frozenset({"P"}))},
        {"physics": dataclasses.replace(T2, contrast="yes")},
        {"frame_of_ref": "g"},
    ],
)
def test_what_was_acquired_apart_is_split(change):
    frames = [frame(z, z) for z in range(6)]
    frames += [frame(number=z + 6, position=(z, z, z), **change) for z in range(6)]
    found, refused = shape(grouped(frames))
    assert sorted(sorted(members) for _, members in found) == [[*range(6)], [*range(6, 12)]]
    assert [key for key, _ in found] == ["se-0", "se-1"] and refused == []


def test_rounding_of_headers_does_not_split():
    physics = dataclasses.replace(T2, te_ms=99.4)
    tilted = (0.9999999, 0, 0.0004, 0, 1.0, 0)
    frames = [frame(z, z) for z in range(3)]
    frames += [frame(z, z, orientation=tilted, physics=physics) for z in (3, 4)]
    assert shape(grouped(frames)) == ([("se", [0, 1, 2, 3, 4])], [])


def test_interleaved_packages_with_their_own_acquisition_numbers_stay_one_volume():
    frames = [frame(z, z, acquisition=z % 2) for z in range(8)]
    assert shape(grouped(frames)) == ([("se", list(range(8)))], [])


@pytest.mark.parametrize("attribute", ["temporal", "acquisition"])
def test_repeats_are_told_apart_by_their_numbers(attribute):
    frames = [frame(z, z + 5 * r, **{attribute: 2 - r}) for r in range(2) for z in range(5)]
    found, refused = shape(grouped(frames))
    assert found == [("se-0", [5, 6, 7, 8, 9]), ("se-1", [0, 1, 2, 3, 4])] and not refused


def test_repeats_without_numbers_are_told_apart_by_instance_numbers():
    frames = [frame(z, z + 5 * r) for r in range(2) for z in range(5)]
    assert shape(grouped(frames))[0] == [("se-0", [0, 1, 2, 3, 4]), ("se-1", [5, 6, 7, 8, 9])]


def test_repeated_packages_become_complete_volumes():
    frames = [frame(z, z + 8 * r, acquisition=2 * r + z % 2) for r in range(2) for z in range(8)]
    found, refused = shape(grouped(frames))
    assert found == [("se-0", [*range(8)]), ("se-1", [*range(8, 16)])] and not refused


def test_a_lone_extra_slice_does_not_cost_the_volume():
    frames = [frame(z, z, acquisition=1) for z in range(6)] + [frame(3, 9, acquisition=7)]
    expected = ([("se", [0, 1, 2, 3, 4, 5])], [(9, "duplicate_position")])
    assert shape(grouped(frames)) == expected


def test_a_copy_is_dropped():
    frames = [frame(z, z) for z in range(5)]
    copy = dataclasses.replace(frames[2], object_index=7)
    assert shape(grouped([*frames, copy])) == ([("se", [0, 1, 2, 3, 4])], [(7, "duplicate_exact")])


def test_rivals_stay_until_their_pixels_are_known():
    frames = [frame(z, z) for z in range(5)]
    rival = dataclasses.replace(frames[2], object_index=7, content="other")
    (volume,) = grouped([*frames, rival]).volumes
    assert len(volume.frames) == 6


def test_a_series_uid_of_two_patients_is_refused():
    frames = [frame(z, z, patient="p" if z < 5 else "q") for z in range(10)]
    found, refused = shape(grouped(frames))
    assert found == [] and refused == [(n, "uid_collision") for n in range(10)]


def test_a_stray_of_another_patient_does_not_cost_the_series():
    frames = [frame(z, z, patient="p" if z < 5 else "q") for z in range(7)]
    found, refused = shape(grouped(frames))
    assert found == [("se", [0, 1, 2, 3, 4])]
    assert refused == [(5, "uid_collision"), (6, "uid_collision")]


def test_the_order_of_the_input_does_not_matter():
    frames = [
        frame(z, z + 9 * e, physics=dataclasses.replace(T2, te_ms=te))
        for e, te in enumerate((20, 90))
        for z in range(9)
    ]
    frames += [dataclasses.replace(frames[0], object_index=20), frame(3, 21)]
    expected = shape(grouped(frames))
    for seed in range(5):
        shuffled = list(frames)
        random.Random(seed).shuffle(shuffled)
        assert shape(grouped(shuffled)) == expected
