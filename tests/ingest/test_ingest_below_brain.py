"""--brain_only: which slices go, against heads whose profile is a closed form."""

import json

import numpy as np
import pytest
from dicom_studies import write_stack
from ingest_runs import convert
from nifti_volumes import affine, convert_table, head, image, points, row, write, write_table

from tfcyclegan.config import IngestConfig, NiftiConfig
from tfcyclegan.errors import UserError
from tfcyclegan.ingest import face_slices
from tfcyclegan.ingest.verification import output_check
from tfcyclegan.ingest.verification.search import Needles

HEIGHTS_MM = np.arange(0.0, 200.0, 4.0)
CENTRE_MM, RADIUS_MM = 100.0, 90.0


def ellipsoid(heights_mm: np.ndarray) -> np.ndarray:
    """Sections of an ellipsoid that fills 40 % of the image where it is widest."""
    return 0.4 * np.clip(1 - ((heights_mm - CENTRE_MM) / RADIUS_MM) ** 2, 0, None)


@pytest.mark.parametrize("top_mm", [200, 180, 150])
def test_slices_deep_below_the_widest_level_are_found(top_mm):
    heights_mm = HEIGHTS_MM[top_mm > HEIGHTS_MM]  # down to a head whose vertex was not imaged
    below = face_slices.by_profile(heights_mm, ellipsoid(heights_mm))
    assert heights_mm[below].max() == CENTRE_MM - face_slices.BELOW_WIDEST_MM - 2
    assert below[: below.sum()].all()


def test_shoulders_and_a_wide_jaw_do_not_count():
    plain = ellipsoid(HEIGHTS_MM)
    shoulders = np.where(HEIGHTS_MM < 70, 0.9, plain)
    expected = face_slices.by_profile(HEIGHTS_MM, plain)
    np.testing.assert_array_equal(face_slices.by_profile(HEIGHTS_MM, shoulders), expected)


def test_noise_in_the_widest_sections_moves_nothing():
    noise = np.random.default_rng(0).uniform(0.99, 1.01, len(HEIGHTS_MM))
    plain, noisy = (
        face_slices.by_profile(HEIGHTS_MM, ellipsoid(HEIGHTS_MM) * factor) for factor in (1, noise)
    )
    assert abs(plain.sum() - noisy.sum()) <= 1


def test_by_mask_half_of_the_foreground_must_be_brain_but_for_the_vertex():
    areas = np.array([0, 10, 40, 90, 100, 60, 10])
    shares = np.array([0.0, 0.2, 0.49, 0.5, 0.8, 0.6, 0.1])
    expected = [True, True, True, False, False, False, False]
    assert face_slices.by_mask(areas, shares).tolist() == expected


def test_where_no_brain_or_no_head_is_found_nothing_is_kept():
    assert face_slices.by_mask(np.zeros(5), np.zeros(5)).all()
    assert face_slices.by_profile(HEIGHTS_MM, np.full(len(HEIGHTS_MM), 0.01)).all()


def test_a_dicom_head_loses_its_lower_slices_with_their_own_reason(tmp_path):
    # Sections of an ellipsoid of 80 mm, 6.5 mm apart from -78 mm: seven lie between the lowest,
    # which is nearly empty, and 30 mm below the middle.
    write_stack(tmp_path / "in", slices=24, gap=6.5)
    code, result = convert(tmp_path, tmp_path / "in", "--brain_only")
    assert code == 0 and result.reasons == {"": 16, "below_brain": 7, "low_foreground": 1}
    assert [r["geom/slice_index"] for r in result.records()] == [*range(8, 24)]
    statement = result.card["deidentification"]
    assert "eyes" in statement["recognizable_visual_features"]
    assert "113102" in statement["not_claimed"] and statement["method_codes"] == ["113100"]
    assert list(output_check.check(result.directory, Needles([]))) == []


def test_a_mask_decides_and_a_volume_without_brain_is_skipped_as_a_whole(tmp_path):
    shape = (20, 24, 12)
    lps = affine(shape, (8.0, 8.0, 12.0))
    inside = ((points(shape, lps) / np.array([60.0, 80.0, 60.0])) ** 2).sum(-1) < 1
    nowhere = write(image(np.zeros(shape, np.uint8), lps), tmp_path / "no.nii.gz")
    upper = (inside & (points(shape, lps)[..., 2] > -10)).astype(np.uint8)
    masks = {"flair": write(image(upper, lps), tmp_path / "upper.nii.gz"), "t2": nowhere}
    rows = []
    for seed, (sequence, mask) in enumerate(masks.items()):
        path = write(head(shape, seed=seed), tmp_path / f"{sequence}.nii.gz")
        rows.append(row(path.name, sequence, brain_mask=mask.name))
    code, result = convert_table(tmp_path, write_table(tmp_path / "t.csv", rows), "--brain_only")
    # 12 mm apart, the middle between the sixth and the seventh; -18 mm is above what --brain_only
    # drops by the profile, and goes because the mask says so.
    assert code == 0 and [r["geom/slice_index"] for r in result.records()] == [5, 6, 7, 8, 9, 10]
    assert sorted(r["reason"] for r in result.series) == ["", "below_brain"]
    assert json.dumps(result.card["objects"]["skipped"]).count("below_brain") == 1


@pytest.mark.parametrize(("kind", "source"), [(IngestConfig, "input"), (NiftiConfig, "table")])
def test_other_planes_are_refused(kind, source):
    flags = (f"--{source}=i", "--output=o", "--key_file=k", "--brain_only")
    kind.parse(*flags)
    with pytest.raises(UserError, match="--brain_only needs --plane=axial"):
        kind.parse(*flags, "--plane=coronal")
