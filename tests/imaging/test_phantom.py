"""The phantom: physics by hand, anatomy against its truth, DICOM against other programs."""

import dataclasses
import shutil
import subprocess

import nibabel
import numpy as np
import pydicom
import pytest

from tfcyclegan.imaging.phantom import anatomy, scanner, studies, tissues

ENCODINGS = {1: "explicit", 2: "implicit", 3: "enhanced"}
SEQUENCES = ("t2", "flair")
T2 = tissues.Protocol(tr_ms=5000, te_ms=100)
FLAIR = tissues.Protocol(tr_ms=9000, te_ms=100, ti_ms=2430)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three patients, one in each encoding: (directory, number to Head)."""
    output = tmp_path_factory.mktemp("phantom")
    return output, {
        n: studies.make_patient(output, n, seed=5, grid=anatomy.Grid(128, 14)) for n in ENCODINGS
    }


def read(directory, number, sequence):
    """Slices of a series by position: uint16 [S, H, W] and IPPs [S, 3], from the headers alone."""
    files = [pydicom.dcmread(f) for f in (directory / f"patient{number:03d}" / sequence).iterdir()]
    if "NumberOfFrames" in files[0]:
        pixels = files[0].pixel_array
        groups = files[0].PerFrameFunctionalGroupsSequence
        places = [g.PlanePositionSequence[0].ImagePositionPatient for g in groups]
    else:
        pixels = np.stack([f.pixel_array for f in files])
        places = [f.ImagePositionPatient for f in files]
    places = np.array(places, float)
    order = np.argsort(places[:, 2])  # slices are axial within 15 degrees
    return pixels[order], places[order], files[0]


def orientation_of(header):
    if "NumberOfFrames" in header:
        header = header.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    return np.array(header.ImageOrientationPatient, float)


def truth(directory, number, what):
    """Mask in the order [S, H, W] of the images, and the affine to RAS."""
    image = nibabel.load(directory / "truth" / f"patient{number:03d}_{what}.nii.gz")
    return np.asarray(image.dataobj).transpose() > 0, image.affine


# Numbers by `bc -l`, from the constants of the table and the two textbook equations.
@pytest.mark.parametrize(
    ("tissue", "protocol", "expected"),
    [
        ("white", T2, 0.198808),
        ("gray", T2, 0.322651),
        ("csf", T2, 0.654035),
        ("white", FLAIR, 0.177818),
        ("gray", FLAIR, 0.224303),
        ("lesion", FLAIR, 0.299777),
    ],
)
def test_signal_equations(tissue, protocol, expected):
    assert tissues.signal(tissues.TISSUES[tissue], protocol) == pytest.approx(expected, abs=2e-6)


def test_inversion_time_nulls_csf():
    assert tissues.nulling_ti(4163.0, 9000.0) == pytest.approx(2432.015, abs=0.01)
    for seed in range(20):
        flair = scanner.draw_protocols(np.random.default_rng(seed))["flair"]
        assert 2300 <= flair.ti_ms <= 2500
        csf, white = (tissues.signal(tissues.TISSUES[t], flair) for t in ("csf", "white"))
        assert abs(csf) < 0.01 * white


def test_mixed_voxel_adds_magnetisation():
    half = np.full((1, 1, 1), 0.5, np.float32)
    mixed = scanner.noise_free({"white": half, "csf": half}, T2)
    assert mixed.item() == pytest.approx((0.198808 + 0.654035) / 2, abs=2e-6)


def test_fractions_are_shares(made):
    for head in made[1].values():
        total = sum(head.fractions.values())
        np.testing.assert_allclose(total, 1, atol=1e-4)
        assert min(f.min() for f in head.fractions.values()) >= -1e-6


@pytest.mark.parametrize("number", ENCODINGS)
def test_contrast_of_lesions_and_fluid(made, number):
    directory, heads = made
    t2, flair = (read(directory, number, s)[0].astype(float) for s in SEQUENCES)
    lesions, _ = truth(directory, number, "lesions")
    ventricles, _ = truth(directory, number, "ventricles")
    fluid = ventricles & (heads[number].fractions["ventricle"] > 0.98)
    white = heads[number].fractions["white"] > 0.98
    gray = heads[number].fractions["gray"] > 0.9
    assert lesions.sum() >= 5 and fluid.sum() >= 20
    assert t2[lesions].mean() > 1.3 * t2[white].mean()
    assert flair[lesions].mean() > 1.2 * flair[white].mean()
    assert t2[fluid].mean() > 2.2 * t2[white].mean()
    assert flair[fluid].mean() < 0.25 * flair[white].mean()
    assert 1.2 < t2[gray].mean() / t2[white].mean() < 2.2
    assert 1.05 < flair[gray].mean() / flair[white].mean() < 1.7


def test_noise_is_rician(made):
    # Magnitude of pure complex noise is Rayleigh: mean / sd = sqrt(pi / (4 - pi)) = 1.9131.
    pixels, _, _ = read(made[0], 1, "t2")
    air = pixels[:, :12, :12].astype(float)  # a corner, beside nose and ears
    assert air.mean() / air.std() == pytest.approx(1.9131, rel=0.03)


@pytest.mark.parametrize("number", ENCODINGS)
def test_t2_and_flair_are_one_space_and_agree_with_truth(made, number):
    directory, _ = made
    (_, a, t2), (_, b, flair) = (read(directory, number, s) for s in SEQUENCES)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(orientation_of(t2), orientation_of(flair))
    assert t2.FrameOfReferenceUID == flair.FrameOfReferenceUID
    assert t2.StudyInstanceUID == flair.StudyInstanceUID
    assert t2.SeriesInstanceUID != flair.SeriesInstanceUID
    _, affine = truth(directory, number, "brain")
    for index, place in enumerate(a):
        x, y, z = (affine @ [0, 0, index, 1])[:3]
        np.testing.assert_allclose([-x, -y, z], place, atol=1e-4)


def test_headers_say_what_was_acquired(made):
    for number in ENCODINGS:
        for sequence in SEQUENCES:
            _, _, header = read(made[0], number, sequence)
            assert str(header.PatientName) == f"Phantom^{number:03d}"
            if "NumberOfFrames" in header:
                shared = header.SharedFunctionalGroupsSequence[0]
                tr = shared.MRTimingAndRelatedParametersSequence[0].RepetitionTime
                te = shared.MREchoSequence[0].EffectiveEchoTime
                ti = shared.MRModifierSequence[0].get("InversionTimes", 0)
            else:
                tr, te, ti = header.RepetitionTime, header.EchoTime, header.get("InversionTime", 0)
                scanning = ["SE"] if sequence == "t2" else ["SE", "IR"]
                assert np.atleast_1d(header.ScanningSequence).tolist() == scanning
            low, high = (4000, 6000) if sequence == "t2" else (8000, 9000)
            assert low <= tr <= high and 90 <= te <= 130
            assert ti == 0 if sequence == "t2" else 2300 <= ti <= 2500


def test_encodings_and_order(made):
    syntaxes = {n: read(made[0], n, "t2")[2].file_meta.TransferSyntaxUID for n in ENCODINGS}
    assert syntaxes == {1: "1.2.840.10008.1.2.1", 2: "1.2.840.10008.1.2", 3: "1.2.840.10008.1.2.1"}
    heights = {}
    for number in (1, 2):
        files = (made[0] / f"patient{number:03d}" / "flair").iterdir()
        headers = sorted((pydicom.dcmread(f) for f in files), key=lambda h: h.InstanceNumber)
        heights[number] = [float(h.ImagePositionPatient[2]) for h in headers]
    assert heights[1] == sorted(heights[1])
    assert heights[2] not in (sorted(heights[2]), sorted(heights[2], reverse=True))
    frames = read(made[0], 3, "flair")[2].PerFrameFunctionalGroupsSequence
    stack = [f.FrameContentSequence[0].InStackPositionNumber for f in frames]
    assert stack not in (sorted(stack), sorted(stack, reverse=True))


@pytest.mark.parametrize("number", ENCODINGS)
def test_head_is_upright(made, number):
    pixels, _, header = read(made[0], number, "t2")
    axes = orientation_of(header)
    assert axes[0] > 0.95 and axes[4] > 0.95  # columns to the left, rows to posterior
    brain, _ = truth(made[0], number, "brain")
    low = slice(0, 4)
    head = pixels[low] > 0.25 * np.percentile(pixels, 95)
    rows = np.arange(pixels.shape[1])[None, :, None]
    # Face in front of, cerebellum behind, the middle of the head; the nose is a narrow front.
    middle = (rows * head).sum() / head.sum()
    assert (rows * brain[low]).sum() / brain[low].sum() > middle + 5
    outline = head.any(axis=0)
    first, last = np.flatnonzero(outline.any(axis=1))[[0, -1]]
    assert outline[first + 3].sum() < 0.5 * outline[last - 3].sum()
    # Brain fills the middle of the stack; the topmost slice is above the vertex.
    assert brain[0].sum() > 100 and brain[-1].sum() == 0
    assert (pixels[-1] > 0.25 * np.percentile(pixels, 95)).mean() < 0.05


def test_left_is_left(tmp_path, monkeypatch):
    draw = anatomy.Traits.draw
    monkeypatch.setattr(
        anatomy.Traits, "draw", lambda rng: dataclasses.replace(draw(rng), asymmetry=0.6)
    )
    studies.make_patient(tmp_path, 1, seed=0, grid=anatomy.Grid(96, 12))
    brain, affine = truth(tmp_path, 1, "brain")
    ventricles, _ = truth(tmp_path, 1, "ventricles")

    def right(mask):
        columns = np.argwhere(mask)[:, ::-1]
        return (columns @ affine[:3, :3].T + affine[:3, 3])[:, 0]

    # NIfTI's world is RAS: the patient's left is negative.
    side = right(ventricles) - right(brain).mean()
    assert (side < 0).sum() > 1.4 * (side > 0).sum()


@pytest.mark.skipif(
    not shutil.which("dciodvfy"), reason="needs dciodvfy: apt-get install dicom3tools"
)
@pytest.mark.parametrize("number", ENCODINGS)
@pytest.mark.parametrize("sequence", SEQUENCES)
def test_dciodvfy_finds_no_error(made, number, sequence):
    path = made[0] / f"patient{number:03d}" / sequence / "IM0001.dcm"
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
    report = done.stdout + done.stderr
    assert ("EnhancedMRImage" if number == 3 else "MRImage") in report
    assert not [line for line in report.splitlines() if line.startswith(("Error", "Abort"))]


@pytest.mark.skipif(not shutil.which("dcm2niix"), reason="needs dcm2niix: apt-get install dcm2niix")
@pytest.mark.parametrize("number", ENCODINGS)
@pytest.mark.parametrize("sequence", SEQUENCES)
def test_dcm2niix_reads_the_same_volume_in_the_same_place(made, tmp_path, number, sequence):
    source = made[0] / f"patient{number:03d}" / sequence
    command = ["dcm2niix", "-z", "n", "-b", "n", "-f", "out", "-o", str(tmp_path), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    theirs = nibabel.as_closest_canonical(nibabel.load(tmp_path / "out.nii"))
    _, affine = truth(made[0], number, "brain")
    pixels, _, _ = read(made[0], number, sequence)
    ours = nibabel.as_closest_canonical(nibabel.Nifti1Image(pixels.transpose(), affine))
    np.testing.assert_allclose(theirs.affine, ours.affine, atol=1e-3)
    np.testing.assert_array_equal(np.asarray(theirs.dataobj), np.asarray(ours.dataobj))
