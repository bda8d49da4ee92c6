"""NIfTI headers and voxels against nibabel, and every way in which a file can be bad."""

import gzip
import io
import zlib

import nibabel
import numpy as np
import pytest
from nifti_volumes import ORIENTATIONS, head, image, turned

from tfcyclegan.imaging.nifti import images, inflate
from tfcyclegan.privacy.reasons import Refusal


def blob(made=None, **fields) -> bytes:
    """The file of an image, with fields of its header overwritten."""
    data = bytearray((made or head()).to_bytes())
    header = nibabel.Nifti1Header.from_fileobj(io.BytesIO(bytes(data)), check=False)
    for name, value in fields.items():
        header[name] = value
    data[:348] = header.structarr.tobytes()
    return bytes(data)


def reason(content: bytes) -> str:
    with pytest.raises(Refusal) as caught:
        images.stored(content, images.parse(content))
    return caught.value.reason


@pytest.mark.parametrize("orientation", ORIENTATIONS[::5], ids=str)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_voxels_and_their_places_are_nibabels(orientation, pack):
    made = turned(head(), orientation)
    content = pack(made.to_bytes())
    found = images.parse(content)
    np.testing.assert_array_equal(images.stored(content, found), np.asarray(made.dataobj))
    np.testing.assert_allclose(np.diag([-1, -1, 1, 1]) @ found.affine, made.affine, atol=1e-4)


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8", "i8", "u8"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_every_number_type_in_both_byte_orders_and_versions(dtype, order, kind):
    voxels = np.arange(24).reshape(2, 3, 4).astype(dtype)
    header = kind.header_class(endianness=order)
    header.set_data_dtype(dtype)
    content = kind(voxels, np.eye(4), header).to_bytes()
    found = images.parse(content)
    assert found.dtype == np.dtype(f"{order}{dtype}").newbyteorder(order)
    np.testing.assert_array_equal(images.stored(content, found), voxels)


def test_scaling_is_the_standards():
    assert images.parse(blob(scl_slope=2.5, scl_inter=-3)).slope == 2.5
    for unset in (0, np.nan):
        found = images.parse(blob(scl_slope=unset, scl_inter=7))
        assert (found.slope, found.intercept) == (1, 0)


def test_sform_comes_before_qform_and_an_atlas_is_another_space():
    made = head()
    assert images.parse(blob(qform_code=0)).space == 0
    made.set_sform(made.affine, code=0)
    np.testing.assert_allclose(images.parse(made.to_bytes()).affine[:2, 3], [-76, -92])
    made.set_qform(made.affine, code=4)
    assert images.parse(made.to_bytes()).space == 4


def form(change, *, qform=False) -> bytes:
    """An image whose sform is changed, and whose qform follows or is absent."""
    made = head()
    made.set_qform(made.affine if qform else None, code=1 if qform else 0)
    made.set_sform(change(made.affine.copy()), code=1)
    return made.to_bytes()


def sheared(affine):
    affine[0, 1] += 0.05
    return affine


def flattened(affine):
    affine[:, 2] = 0
    return affine


def moved(affine):
    affine[0, 3] += 1.0
    return affine


RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "not_nifti"),
        (b"\xff\xd8\xff JPEG" + bytes(600), "not_nifti"),
        (gzip.compress(b"text" * 300, mtime=0), "not_nifti"),
        (blob(magic=b"ni1"), "not_nifti"),
        (b"\0" * 4 + blob()[4:], "not_nifti"),
        (blob(dim=[4, 20, 24, 3, 2, 1, 1, 1]), "not_3d"),
        (blob(dim=[5, 20, 24, 3, 1, 2, 1, 1]), "not_3d"),
        (blob(dim=[3, 20, 0, 6, 1, 1, 1, 1]), "bad_dims"),
        (blob(dim=[3, 20, -24, 6, 1, 1, 1, 1]), "bad_dims"),
        (blob(dim=[0] * 8), "bad_dims"),
        (blob(dim=[9, 20, 24, 6, 1, 1, 1, 1]), "bad_dims"),
        (blob(dim=[3, 5000, 24, 6, 1, 1, 1, 1]), "too_large"),
        (blob(dim=[3, 4096, 4096, 4096, 1, 1, 1, 1]), "too_large"),
        (blob(image(np.zeros((4, 4, 6), np.complex64), np.eye(4))), "bad_type"),
        (blob(image(np.zeros((4, 4, 6), RGB), np.eye(4))), "not_grayscale"),
        (blob(datatype=0), "bad_type"),
        (blob(datatype=77), "bad_type"),
        (blob(vox_offset=np.nan), "bad_type"),
        (blob(vox_offset=-5), "bad_type"),
        (blob(vox_offset=3e9), "too_large"),
        (blob(scl_slope=np.inf), "bad_rescale"),
        (blob(scl_slope=1, scl_inter=np.nan), "bad_rescale"),
        (blob(xyzt_units=3), "bad_spacing"),
        (blob(qform_code=0, sform_code=0), "no_orientation"),
        (blob(sform_code=0, quatern_b=2.0), "bad_orientation"),
        (blob(sform_code=0, pixdim=[1, 0, 8, 12, 0, 0, 0, 0]), "bad_orientation"),
        (blob(qform_code=0, srow_x=[np.nan] * 4), "bad_orientation"),
        (form(sheared), "bad_orientation"),
        (form(flattened), "bad_orientation"),
        (form(moved, qform=True), "bad_orientation"),
        (blob()[:-1], "truncated"),
        (blob()[:400], "truncated"),
        (gzip.compress(blob(), mtime=0)[:-30], "truncated"),
        (gzip.compress(blob(), mtime=0)[:-6] + b"\0" * 6, "decode_error"),
        (gzip.compress(blob(), mtime=0)[:10] + b"\xff" * 3000, "decode_error"),
    ],
)
def test_bad_images_have_their_reason(content, expected):
    assert reason(content) == expected


def test_a_small_disagreement_of_the_forms_is_rounding():
    made = form(lambda affine: affine + 0.5 * np.eye(4, k=3), qform=True)
    assert images.parse(made).shape == (20, 24, 6)


def test_trailing_dimensions_of_one_are_none():
    assert images.parse(blob(dim=[5, 20, 24, 6, 1, 1, 1, 1])).shape == (20, 24, 6)
    assert images.parse(blob(dim=[2, 20, 24, 0, 0, 0, 0, 0])).shape == (20, 24, 1)


def test_a_bomb_is_stopped_before_it_bursts(monkeypatch):
    packer = zlib.compressobj(9, wbits=31)
    pieces = [packer.compress(blob())]
    pieces += [packer.compress(bytes(1 << 20)) for _ in range(64)]
    seen = []
    original = inflate._inflated
    monkeypatch.setattr(inflate, "_inflated", lambda b: (seen.append(p) or p for p in original(b)))
    assert reason(b"".join([*pieces, packer.flush()])) == "bomb"
    assert sum(map(len, seen)) < 18 << 20


def test_several_members_and_padding_are_one_file():
    content = blob()
    packed = gzip.compress(content[:1000]) + gzip.compress(content[1000:] + bytes(512)) + bytes(64)
    np.testing.assert_array_equal(
        images.stored(packed, images.parse(packed)), np.asarray(head().dataobj)
    )
