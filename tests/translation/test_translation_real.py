"""The page of a translated study shows the real target of the study, where it lies on its voxels.

The real image is a ramp in space, so each pixel of the page is known from where it lies: a slice
further would be off by 0.03, a flipped one by up to 1.
"""

import base64
import json
import math
import pathlib
import re
import zlib

import nibabel as nib
import numpy as np
import pytest
from dicom_studies import AXIAL, ramp, stack, write_stack
from ingest_runs import key_file
from mirror_models import negative, run, write_model
from skimage.metrics import structural_similarity

from tfcyclegan.translation.real_images import Agreement

FIELD = 160.0
"""Sides of the field of view, mm: 40 pixels of 4 mm."""
GAP = 6.0
SLICES = 6
TOLERANCE = 2e-3
"""Unit range: stored values are whole, 7e-4 of the window each; levels of the page 2.4e-4."""
LEVELS = 4095


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> pathlib.Path:
    return write_model(tmp_path_factory.mktemp("model"), negative, negative)


def write_pair(folder: pathlib.Path, patient: str = "P", **flair) -> None:
    """Writes a T2 of a head and a FLAIR that is a ramp, of one study."""
    study = {"study": patient, "patient": patient}
    write_stack(folder / patient / "t2", sequence="t2", series="t2", **study)
    flair = {"values": ramp, "sequence": "flair", "series": "flair", **study, **flair}
    write_stack(folder / patient / "flair", **flair)


def element(page: str, name: str) -> str:
    (content,) = re.findall(rf'id="{name}">(.*?)</script>', page)
    return content


def layers_of(path: pathlib.Path) -> dict[str, np.ndarray]:
    """What a page holds, in the order that it shows it: heading to [S, H, W], unit range."""
    page = path.read_text()
    (volume,) = json.loads(element(page, "viewer-data"))["volumes"]
    found = {}
    for layer in volume["layers"]:
        planes = zlib.decompress(base64.b64decode(element(page, f"stack-{layer['stack']}")))
        high, low = np.frombuffer(planes, np.uint8).astype(np.float64).reshape(2, -1)
        shape = (volume["slices"], volume["height"], volume["width"])
        found[layer["heading"]] = (high * 256 + low).reshape(shape) / LEVELS
    return found


def the_page(output: pathlib.Path) -> pathlib.Path:
    (page,) = (output / "report").iterdir()
    return page


def expected(window) -> np.ndarray:
    """The ramp at the places of the page's pixels, [S, 256, 256]."""
    side = (np.arange(256) + 0.5) * FIELD / 256 - FIELD / 2
    height = (np.arange(SLICES) - SLICES / 2) * GAP
    z, y, x = np.meshgrid(height, side, side, indexing="ij")
    lo, hi = window
    return np.clip((ramp(np.stack([x, y, z], -1)) - lo) / (hi - lo), 0, 1)


def stored_window() -> np.ndarray:
    return np.percentile(np.stack([i.pixel_array for i in stack(values=ramp)]), (0.5, 99.5))


def check_real(path: pathlib.Path, window) -> dict[str, np.ndarray]:
    layers = layers_of(path)
    assert list(layers) == ["Source T2", "Synthetic FLAIR", "Real FLAIR"]
    inside = np.s_[:, 8:-8, 8:-8]  # the border has no neighbours beyond it
    error = np.abs(layers["Real FLAIR"] - expected(window))[inside]
    assert error.max() < TOLERANCE
    np.testing.assert_allclose(layers["Synthetic FLAIR"], 1 - layers["Source T2"], atol=1 / LEVELS)
    return layers


@pytest.mark.parametrize(
    ("orientation", "height"),
    # As the source, turned by half a circle, and from the head down with left and right swapped.
    [(AXIAL, 0.0), ((-1, 0, 0, 0, -1, 0), 0.0), ((-1, 0, 0, 0, 1, 0), -GAP)],
)
def test_the_real_slice_of_each_place_is_beside_the_synthetic_one(
    model, tmp_path, orientation, height
):
    write_pair(tmp_path / "in", orientation=orientation, centre=(0, 0, height))
    assert run(model, tmp_path / "in", tmp_path / "out") == 0
    page = the_page(tmp_path / "out")
    layers = check_real(page, stored_window())
    scores = json.loads(element(page.read_text(), "metrics"))["against_the_real_slices"]
    error = np.mean((layers["Synthetic FLAIR"] - layers["Real FLAIR"]) ** 2)
    assert scores["psnr_volume_unit"]["value"] == pytest.approx(-10 * math.log10(error), abs=0.01)
    assert scores["psnr_volume_unit"]["n_slices"] == SLICES
    # Nothing else has changed: the real series is no source, and the account says so.
    reasons = [json.loads(r)["reason"] for r in (tmp_path / "out" / "audit.jsonl").open()]
    assert (reasons.count(""), reasons.count("other_sequence")) == (SLICES, SLICES)


def test_a_real_series_that_lies_elsewhere_is_not_shown(model, tmp_path):
    source = tmp_path / "in"
    write_pair(source, "slice", centre=(0, 0, GAP))
    write_pair(source, "pixel", centre=(4.0, 0, 0))
    write_pair(source, "gap", gap=5.0)
    write_pair(source, "fewer", slices=5)
    write_pair(source, "spacing", spacing=(4.0, 4.5))
    write_pair(source, "matrix", rows=80, columns=80, spacing=(2.0, 2.0))
    write_pair(source, "frame", FrameOfReferenceUID="1.2.3")
    write_pair(source, "study", study="another", series="another")
    write_pair(source, "broken")
    broken = source / "broken" / "flair" / "im002.dcm"
    broken.write_bytes(broken.read_bytes()[:-100])
    assert run(model, source, tmp_path / "out") == 4
    pages = list((tmp_path / "out" / "report").iterdir())
    assert len(pages) == 9
    for page in pages:
        assert list(layers_of(page)) == ["Source T2", "Synthetic FLAIR"]
        assert "against_the_real_slices" not in page.read_text()


def test_a_real_series_that_comes_later_is_shown_when_the_command_is_repeated(model, tmp_path):
    write_pair(tmp_path / "in")
    (tmp_path / "in" / "P" / "flair").rename(tmp_path / "later")
    key = f"--key_file={key_file(tmp_path)}"
    assert run(model, tmp_path / "in", tmp_path / "out", key) == 0
    assert list(layers_of(the_page(tmp_path / "out"))) == ["Source T2", "Synthetic FLAIR"]
    (tmp_path / "later").rename(tmp_path / "in" / "P" / "flair")
    assert run(model, tmp_path / "in", tmp_path / "out", key) == 0
    check_real(the_page(tmp_path / "out"), stored_window())


def test_of_several_real_series_that_without_contrast_agent_is_shown(model, tmp_path):
    write_pair(tmp_path / "in")
    for name in "abcd":
        agent = {"ContrastBolusAgent": "agent", "series": name, "sequence": "flair"}
        write_stack(tmp_path / "in" / name, study="P", patient="P", **agent)
    assert run(model, tmp_path / "in", tmp_path / "out") == 0
    check_real(the_page(tmp_path / "out"), stored_window())


def write_image(path: pathlib.Path, values) -> None:
    """Writes an axial image on the voxels of `expected`, stored from right to left."""
    affine = np.diag([-4.0, -4.0, GAP, 1.0])  # to the right, to the front and to the head is plus
    affine[:3, 3] = (78, 78, -GAP * SLICES / 2)
    index = np.stack(np.meshgrid(*map(np.arange, (40, 40, SLICES)), indexing="ij"), -1)
    places = (index @ affine[:3, :3].T + affine[:3, 3]) * (-1, -1, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.rint(values(places)).astype(np.int16), affine), path)


@pytest.mark.parametrize("folder", ["", "anat"])
def test_of_nifti_images_the_name_says_which_belong_together(model, tmp_path, folder):
    """Of four patients in one directory one has a FLAIR; others, what only looks like theirs."""
    slopes = {1: (0, 5, 0), 2: (5, 0, 0), 3: (-5, 0, 0), 4: (0, -5, 0)}
    heads = {f"sub-{n}_T2w": lambda p, s=s: 900 + p @ np.array(s) for n, s in slopes.items()}
    decoys = {
        "sub-3_T2w_synthetic_FLAIR": lambda p: 900 + 9 * p[..., 1],
        "sub-4_run-2_FLAIR": lambda p: 900 + 8 * p[..., 1],
    }
    for name, values in {**heads, "sub-2_FLAIR": ramp, **decoys}.items():
        write_image(tmp_path / "in" / folder / f"{name}.nii.gz", values)
    assert run(model, tmp_path / "in", tmp_path / "out", "--identity=source") == 0
    made = {path.name for path in (tmp_path / "out" / "nifti").rglob("*.nii.gz")}
    assert made == {f"{name}_synthetic_flair.nii.gz" for name in heads}
    shown = [
        page for page in (tmp_path / "out" / "report").iterdir() if "Real FLAIR" in layers_of(page)
    ]
    (page,) = shown
    layers = check_real(page, stored_window())
    # It is the page of patient 2, whose T2 rises to the left, over 156 mm from black to white.
    along_x = np.diff(layers["Source T2"][3, 128, 60:200]).mean() * 256 / FIELD
    assert along_x == pytest.approx(1 / (FIELD - 4), rel=0.05)


def test_agreement_is_that_of_scikit_image_and_of_the_closed_form():
    rng = np.random.default_rng(0)
    real = np.zeros((3, 48, 48), np.float32)
    real[:2, 8:40, 8:40] = rng.uniform(0.5, 0.8, (2, 32, 32))
    made = real + np.float32(0.1)
    agreement = Agreement()
    for pair in zip(made, real, strict=True):
        agreement.add(*pair)
    scores = agreement.scores()
    assert scores["psnr_volume_unit"]["value"] == pytest.approx(20.0, abs=1e-4)
    whole = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    maps = [
        structural_similarity(a, b, data_range=1.0, full=True, **whole)[1][8:40, 8:40]
        for a, b in zip(made[:2].astype(float), real[:2].astype(float), strict=True)
    ]
    assert scores["ssim_head"]["value"] == pytest.approx(np.mean(maps), abs=1e-6)
    assert scores["ssim_head"]["n_slices"] == 2, "the third is air"
    alike = Agreement()
    alike.add(real[2], real[2])
    scores = alike.scores()
    assert scores["psnr_volume_unit"]["value"] is None and scores["ssim_head"]["value"] is None
