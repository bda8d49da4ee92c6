"""Text that OpenCV draws is found; heads, also saturated, padded and inverted ones, are not."""

import collections
import functools
import itertools

import numpy as np
import pytest
from burned_in_text import draw, phantom
from places import MRI, needs_mri

from tfcyclegan.imaging import volumes
from tfcyclegan.imaging.dicom import headers, pixels, silence
from tfcyclegan.imaging.source import walk
from tfcyclegan.privacy import burned_in, hygiene
from tfcyclegan.privacy.pseudonyms import Pseudonyms

TEXTS = ("DOE^JOHN", "19610213", "MRN 0042317", "Canary")
SIZES = ((0.4, 1), (0.7, 1), (1.2, 2))
"""Scale and thickness of OpenCV's plain font: capitals of 9, 15 and 26 pixels."""
LEVELS = (0.25, 0.5, 1.0)
"""Grey level as a share of the volume's maximum."""
KEY = Pseudonyms(bytes(range(32)))


@functools.cache
def scans() -> list[tuple[np.ndarray, bool]]:
    """Stored values of every volume of the real collection, and whether low is white."""
    volumes_of, frames, blobs = [], [], {}
    with silence.silenced():
        for index, item in enumerate(walk.walk([str(MRI / "dicom")])):
            blob = item.read()
            found = hygiene.isolated(read, blob, index)
            if isinstance(found, list):
                frames, blobs[index] = frames + found, blob
        grouping = volumes.group(frames, lambda key, n: KEY.of("volume", f"{key}|{n}".encode()))
        for volume in grouping.volumes:
            layout = volume.first.layout
            slices = [
                pixels.decode(blobs[frame.object_index], [frame.frame_index], layout)[0][0]
                for frame in volume.frames
            ]
            volumes_of.append((np.stack(slices), layout.inverted))
    return volumes_of


def read(blob, index):
    return headers.read(blob, index, KEY)


def is_clean(volume, *, inverted=False, floating=False) -> bool:
    return burned_in.found(volume, inverted=inverted, floating=floating) == ()


def recall(volume, *, everywhere: bool) -> dict[float, float]:
    """Returns the share of drawings that are found, by grey level."""
    hits = collections.defaultdict(list)
    for text, size, corner, level in itertools.product(TEXTS, SIZES, range(4), LEVELS):
        drawn = draw(volume, text, size, corner, level, everywhere=everywhere)
        hits[level].append(not is_clean(drawn))
    return {level: float(np.mean(found)) for level, found in hits.items()}


@pytest.mark.parametrize("series", [0, 1])
def test_all_text_on_all_slices_of_a_phantom_is_found(series):
    assert recall(phantom(1)[series], everywhere=True) == dict.fromkeys(LEVELS, 1.0)


@pytest.mark.parametrize("series", [0, 1])
def test_all_text_on_one_slice_of_a_phantom_is_found(series):
    assert recall(phantom(1)[series], everywhere=False) == dict.fromkeys(LEVELS, 1.0)


@needs_mri
@pytest.mark.parametrize("number", [0, 5, 12])
def test_text_in_real_scans_is_found(number):
    volume, inverted = scans()[number]
    assert not inverted
    for everywhere in (True, False):
        found = recall(volume[::3], everywhere=everywhere)
        assert found == dict.fromkeys(LEVELS, 1.0)


def variants(volume) -> dict[str, tuple[np.ndarray, dict]]:
    """What scanners and exports make of one and the same head."""
    whole = volume - volume.min()
    full = np.rint(whole * (4095 / np.percentile(whole, 97))).clip(0, 4095)
    bytes_ = np.rint(whole * (255 / np.percentile(whole, 99.9))).clip(0, 255)
    return {
        "as it is": (volume, {}),
        "zero-padded": (np.pad(whole, ((2, 2), (40, 40), (30, 30))), {}),
        "blank slices": (np.pad(whole, ((5, 5), (0, 0), (0, 0))), {}),
        "12 bit, saturated": (full, {}),
        "8 bit": (bytes_, {}),
        "MONOCHROME1": (4095 - full, {"inverted": True}),
        "floating": (volume / 17.3, {"floating": True}),
        "five slices": (volume[:: len(volume) // 5][:5], {}),
    }


@pytest.mark.parametrize("seed", range(8))
def test_simulated_heads_are_clean(seed):
    for volume in phantom(seed):
        wrong = [name for name, (v, how) in variants(volume).items() if not is_clean(v, **how)]
        assert wrong == []


@needs_mri
def test_real_heads_are_clean():
    assert len(scans()) >= 20
    for number, (volume, inverted) in enumerate(scans()):
        assert is_clean(volume, inverted=inverted), number


@needs_mri
@pytest.mark.parametrize("number", [1, 8, 14])
def test_real_heads_stay_clean_whatever_an_export_does_to_them(number):
    volume, _ = scans()[number]
    wrong = [name for name, (v, how) in variants(volume).items() if not is_clean(v, **how)]
    assert wrong == []


def test_text_in_inverted_and_floating_pixels_is_found_too():
    drawn = draw(phantom(1)[0], TEXTS[0], SIZES[0], 0, 1.0, everywhere=False)
    assert not is_clean(drawn.max() - drawn, inverted=True)
    assert not is_clean(drawn / 4095, floating=True)


def test_the_rules_have_names():
    volume = phantom(1)[0]
    once = draw(volume, TEXTS[0], SIZES[0], 0, 1.0, everywhere=False)
    always = draw(volume, TEXTS[0], SIZES[0], 0, 1.0, everywhere=True)
    grey = draw(volume, TEXTS[0], SIZES[0], 0, 0.25, everywhere=True)
    found = [burned_in.found(v, inverted=False, floating=False) for v in (once, always, grey)]
    assert found[0] == ("exact",) and found[1] == ("repeated", "exact", "still")
    assert "still" in found[2] and "repeated" not in found[2]


def test_a_constant_volume_is_not_suspected():
    assert is_clean(np.full((5, 8, 8), 7.0)) and is_clean(np.zeros((5, 8, 8)), floating=True)
