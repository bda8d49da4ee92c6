"""Studies translated by a network that is a formula: every voxel lies and is as it must."""

import json
import pathlib
import subprocess
import sys

import nibabel as nib
import numpy as np
import pydicom
import pytest
from dicom_studies import AXIAL, coordinates, enhanced, ramp, save, stack, write_stack, write_study
from ingest_runs import key_file
from mirror_models import negative, run, write_model

from tfcyclegan.errors import UserError
from tfcyclegan.imaging.dicom.items import uid_of
from tfcyclegan.privacy.pseudonyms import Pseudonyms
from tfcyclegan.translation import inputs

TOLERANCE = 2e-3
"""Unit range: resampling there and back of a ramp, and rounding of headers and stored values."""
FLIPPED = (-1, 0, 0, 0, -1, 0)
TURNED = (0, 1, 0, 1, 0, 0)
CORONAL = (1, 0, 0, 0, 0, -1)
SAGITTAL = (0, -1, 0, 0, 0, 1)
TILTED = (0.995, 0.0998334, 0, -0.0970, 0.9666, 0.2374)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> pathlib.Path:
    return write_model(tmp_path_factory.mktemp("model"), negative, negative)


def images_of(folder: pathlib.Path) -> list:
    """Images in the order of their instance numbers."""
    images = [pydicom.dcmread(path) for path in folder.rglob("*.dcm")]
    return sorted(images, key=lambda image: image.get("InstanceNumber"))


def geometry_of(image) -> tuple:
    return (
        tuple(map(float, image.ImagePositionPatient)),
        tuple(map(float, image.ImageOrientationPatient)),
        tuple(map(float, image.PixelSpacing)),
        image.Rows,
        image.Columns,
    )


def expected(image, window) -> np.ndarray:
    """What the network makes of the ramp, at the places that the derived header states."""
    points = coordinates(*geometry_of(image))
    lo, hi = window
    return 1 - (ramp(points) - lo) / (hi - lo)


@pytest.mark.parametrize(
    ("orientation", "plane"),
    [
        (AXIAL, "axial"),
        (FLIPPED, "axial"),
        (TURNED, "axial"),
        (TILTED, "axial"),
        (CORONAL, "coronal"),
        (SAGITTAL, "sagittal"),
    ],
)
def test_every_voxel_is_translated_where_it_lies(model, tmp_path, orientation, plane):
    shape = {"rows": 60, "columns": 44, "spacing": (3.0, 4.0), "gap": 5.0}
    write_stack(tmp_path / "in", orientation=orientation, values=ramp, centre=(7, -4, 11), **shape)
    assert run(model, tmp_path / "in", tmp_path / "out", f"--plane={plane}") == 0
    sources, made = images_of(tmp_path / "in"), images_of(tmp_path / "out")
    assert [geometry_of(i) for i in made] == [geometry_of(i) for i in sources]
    voxels = np.stack([i.pixel_array for i in sources])
    window = np.percentile(voxels, (0.5, 99.5))
    for image in made:
        truth = expected(image, window)[3:-3, 3:-3]  # the border has no neighbours beyond it
        seen = image.pixel_array[3:-3, 3:-3] / 65535
        inside = (truth > 0.05) & (truth < 0.95)
        assert inside.mean() > 0.8
        assert np.abs(seen - truth)[inside].max() < TOLERANCE


def test_frames_of_an_enhanced_image_become_classic_images_in_place(model, tmp_path):
    frames = stack(values=ramp, slices=6)
    save(enhanced(frames, [4, 0, 5, 2, 1, 3]), tmp_path / "in" / "one.dcm")
    assert run(model, tmp_path / "in", tmp_path / "out") == 0
    made = images_of(tmp_path / "out")
    assert [geometry_of(i) for i in made] == [geometry_of(i) for i in frames]
    assert [i.InstanceNumber for i in made] == [1, 2, 3, 4, 5, 6]
    references = [i.SourceImageSequence[0].ReferencedFrameNumber for i in made]
    assert references == [2, 5, 4, 6, 1, 3], "position in the file, from 1"
    window = np.percentile(np.stack([i.pixel_array for i in frames]), (0.5, 99.5))
    for image in made:
        truth = expected(image, window)[3:-3, 3:-3]
        inside = (truth > 0.05) & (truth < 0.95)
        assert np.abs(image.pixel_array[3:-3, 3:-3] / 65535 - truth)[inside].max() < TOLERANCE


@pytest.fixture(scope="module")
def translated(model, tmp_path_factory):
    """(folder of a study, of its translation with pseudonyms, and of that with its identity)."""
    folder = tmp_path_factory.mktemp("study")
    write_study(folder / "in", patient="Secret7", PatientPosition="HFS", SeriesNumber=4)
    key = f"--key_file={key_file(folder)}"
    assert run(model, folder / "in", folder / "replaced", key) == 0
    assert run(model, folder / "in", folder / "source", key, "--identity=source") == 0
    return folder / "in", folder / "replaced", folder / "source"


def test_the_header_says_what_it_is(translated):
    for folder in translated[1:]:
        images = images_of(folder)
        assert len(images) == 6
        for image in images:
            assert image.SOPClassUID == pydicom.uid.MRImageStorage
            assert image.SeriesDescription == "SYNTHETIC FLAIR from T2 - NOT FOR DIAGNOSIS"
            assert list(image.ImageType[:2]) == ["DERIVED", "SECONDARY"]
            assert "FLAIR synthesised from T2" in image.DerivationDescription
            assert image.DerivationCodeSequence[0].CodeValue == "113085"
            purpose = image.ContributingEquipmentSequence[0].PurposeOfReferenceCodeSequence[0]
            assert purpose.CodeValue == "109100"
            assert (image.BitsStored, image.LossyImageCompression) == (16, "00")
            assert (image.PatientPosition, image.SeriesNumber) == ("HFS", 1004)
            assert not image.EchoTime and not image.RepetitionTime
        assert len({i.SOPInstanceUID for i in images}) == 6
        assert len({i.SeriesInstanceUID for i in images}) == 1


def test_with_the_identity_of_the_source_it_lies_beside_it_in_the_study(translated):
    sources = {i.SOPInstanceUID: i for i in images_of(translated[0] / "t2")}
    for image in images_of(translated[2]):
        source = sources[image.SourceImageSequence[0].ReferencedSOPInstanceUID]
        for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
            assert image[keyword].value == source[keyword].value
        assert image.SeriesInstanceUID != source.SeriesInstanceUID
        assert geometry_of(image) == geometry_of(source)


def test_otherwise_pseudonyms_of_the_key_stand_for_everybody(translated):
    source = images_of(translated[0] / "t2")[0]
    key = Pseudonyms(bytes(range(32)))
    for image in images_of(translated[1]):
        assert image.PatientID == key.of("patient", b"Secret7")
        assert image.StudyInstanceUID == uid_of(key.of("study", source.StudyInstanceUID.encode()))
        assert image.PatientIdentityRemoved == "YES"
    content = b"".join(p.read_bytes() for p in translated[1].rglob("*") if p.is_file())
    for value in ("Secret7", source.StudyInstanceUID, source.SOPInstanceUID, "SIEMENS"):
        assert value.encode() not in content


def test_lossy_compression_of_the_source_is_told(model, tmp_path):
    lossy = {"LossyImageCompression": "01", "LossyImageCompressionRatio": 9}
    write_stack(tmp_path / "in", LossyImageCompressionMethod="ISO_15444_1", **lossy)
    assert run(model, tmp_path / "in", tmp_path / "out") == 0
    for image in images_of(tmp_path / "out"):
        assert image.LossyImageCompression == "01" and image.LossyImageCompressionRatio == 9
        assert image.LossyImageCompressionMethod == "ISO_15444_1"


def test_the_other_direction_starts_from_the_other_sequence(model, tmp_path):
    write_study(tmp_path / "in")
    assert run(model, tmp_path / "in", tmp_path / "out", "--direction=b_to_a") == 0
    sources = {i.SOPInstanceUID for i in images_of(tmp_path / "in" / "flair")}
    made = images_of(tmp_path / "out")
    assert {i.SeriesDescription for i in made} == {"SYNTHETIC T2 from FLAIR - NOT FOR DIAGNOSIS"}
    assert len(made) == len(sources) == 6


def test_what_is_synthetic_is_not_taken_for_a_source_again(translated, model, tmp_path):
    with pytest.raises(UserError, match="no translation wrote"):
        run(model, translated[2], translated[0])
    assert run(model, translated[2], tmp_path / "out", "--direction=b_to_a") == 3
    reasons = [json.loads(r)["reason"] for r in (tmp_path / "out" / "audit.jsonl").open()]
    assert reasons.count("derived") == 6


def test_of_a_tree_the_broken_studies_are_listed_and_the_others_done(model, tmp_path, capsys):
    for number in range(3):
        write_study(tmp_path / "in" / f"p{number}", patient=f"P{number}")
    for path in (tmp_path / "in" / "p1" / "t2").iterdir():
        path.write_bytes(path.read_bytes()[:-100])
    assert run(model, tmp_path / "in", tmp_path / "out") == 4
    assert len(images_of(tmp_path / "out")) == 12
    rows = [json.loads(line) for line in (tmp_path / "out" / "quarantine.jsonl").open()]
    assert [row["reason"] for row in rows] == ["truncated"] * 6
    assert "quarantined: truncated 6" in capsys.readouterr().out


@pytest.mark.parametrize("code", [("R", "A", "S"), ("L", "P", "S"), ("P", "S", "R")])
def test_nifti_keeps_its_voxels(model, tmp_path, code):
    shape = np.array([44, 60, 7])
    axes = nib.orientations.axcodes2ornt(code)
    base = np.diag([4.0, 3.0, 6.0, 1.0])
    base[:3, 3] = (-80, -95, -20)
    image = nib.Nifti1Image(np.zeros(shape, np.int16), base).as_reoriented(
        nib.orientations.ornt_transform(nib.io_orientation(base), axes)
    )
    index = np.stack(np.meshgrid(*map(np.arange, image.shape), indexing="ij"), -1)
    places = index @ image.affine[:3, :3].T + image.affine[:3, 3]
    values = np.rint(1000 + places @ np.array([3.0, 5.0, 7.0])).astype(np.int16)
    source = nib.Nifti1Image(values, image.affine)
    (tmp_path / "in").mkdir()
    for name in ("sub-1_T2w.nii.gz", "lesion.nii.gz"):
        nib.save(source, tmp_path / "in" / name)
    other = nib.Nifti1Image(values // 2, image.affine)
    nib.save(other, tmp_path / "in" / "sub-1_FLAIR.nii.gz")
    assert run(model, tmp_path / "in", tmp_path / "out", "--identity=source", "--audit") == 0
    names = {path.name for path in (tmp_path / "out" / "nifti").iterdir()}
    assert names == {f"sub-1_T2w_synthetic_flair{end}.nii.gz" for end in ("", "_risk")}
    made = nib.load(tmp_path / "out" / "nifti" / "sub-1_T2w_synthetic_flair.nii.gz")
    np.testing.assert_array_equal(made.affine, source.affine)
    lo, hi = np.percentile(values, (0.5, 99.5))
    truth = 1 - (values - lo) / (hi - lo)
    inside = (truth > 0.05) & (truth < 0.95)
    for axis in (0, 1, 2):
        if values.shape[axis] > 7:
            inside[tuple(np.s_[:] if n != axis else [0, 1, 2, -3, -2, -1] for n in range(3))] = 0
    assert inside.mean() > 0.5
    # A whole unit of int16 is 1.4e-3 of the window here.
    assert np.abs(made.get_fdata() / 65535 - truth)[inside].max() < 2 * TOLERANCE
    assert b"NOT FOR DIAGNOSIS" in bytes(made.header["descrip"])


@pytest.mark.parametrize(
    ("source", "real"),
    [
        ("BraTS-GLI-1-000-t2w", "BraTS-GLI-1-000-t2f"),
        ("sub-1_T2", "sub-1_T2_FLAIR"),
        ("t2_p1", "t2.flair_p1"),
        ("sub-1_acq-2d_T2w", "sub-1_acq-2d_FLAIR"),
    ],
)
def test_names_tell_sequences_and_which_images_are_of_one_scan(source, real):
    wanted = ("t2", "flair")
    paths = [f"{name}.nii.gz".encode() for name in (source, real)]
    assert [inputs._named_for(path, wanted) for path in paths] == ["t2", "flair"]
    scans = {inputs.scan_of(path, wanted) for path in paths}
    others = {inputs.scan_of(path.replace(b"1", b"-1"), wanted) for path in paths}
    assert len(scans) == len(others) == 1 and scans != others


def test_nothing_to_translate_has_a_code_of_its_own(model, tmp_path):
    write_stack(tmp_path / "in", sequence="t1")
    assert run(model, tmp_path / "in", tmp_path / "out") == 3
    with pytest.raises(UserError, match="saved_model.pb") as caught:
        run(tmp_path, tmp_path / "in", tmp_path / "other")
    assert caught.value.exit_code == 5


def test_translating_imports_no_networks_and_no_statistics():
    """These took a second and a half of the processor at every start."""
    program = (
        "import sys; import tfcyclegan.translation.run; print({'scipy.stats',"
        " 'tfcyclegan.models.networks.generators', 'tfcyclegan.metrics.extractors',"
        " 'tfcyclegan.metrics'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout == "set()\n"


def test_the_model_works_at_the_size_that_it_was_trained_at(tmp_path):
    """A network that writes the number of its pixels into them."""

    def height(image):
        import tensorflow as tf

        return tf.ones_like(image) * tf.cast(tf.shape(image)[1], tf.float32) / 1000.0

    model = write_model(tmp_path / "model", height, height, size=96)
    write_stack(tmp_path / "in")
    assert run(model, tmp_path / "in", tmp_path / "out") == 0
    for image in images_of(tmp_path / "out"):
        np.testing.assert_allclose(image.pixel_array / 65535, 0.096, atol=1e-4)
