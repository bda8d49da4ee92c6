"""NIfTI-1 and NIfTI-2 images: where their voxels lie, and what they hold.

Only numbers of the header are looked at; descrip, aux_file, intent_name, db_name and extensions are
not, so that no string leaves the file.

Reference: https://nifti.nimh.nih.gov/nifti-1 (nifti1.h), nifti2.h.
"""

import dataclasses
import math

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError

from tfcyclegan.imaging.nifti import inflate
from tfcyclegan.privacy.reasons import Refusal

_HEADER_BYTES = 540
"""Length of a NIfTI-2 header, the longer of the two."""
_LARGEST_SIDE = 4096
_MOST_BYTES = 1 << 30
"""Largest image after inflating."""
_PERPENDICULAR = 1e-3
"""Largest cosine between two voxel axes, as for ImageOrientationPatient."""
SAME_VOXEL = 0.1
"""Positions closer than this are the same voxel, in voxels."""
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_NUMBERS = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8"}
_NUMBERS |= {256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_COLOURS = {128, 2304}
_MILLIMETRES_OR_UNKNOWN = (0, 2)
_TEMPLATE = 3
"""First form code that stands for an atlas' coordinates and not for the scanner's."""


@dataclasses.dataclass(frozen=True, eq=False)
class Image:
    """What the header says.

    Attributes:
        shape: Voxels along i, j, k.
        affine: From voxel indices to the patient's coordinates in DICOM's sense, mm [4, 4].
        space: 0 for the scanner's coordinates, else the code of an atlas.
        dtype: Of the stored voxels, byte order included.
        slope, intercept: From stored values to scanner units.
        offset: Of the first voxel, in bytes.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    space: int
    dtype: np.dtype
    slope: float
    intercept: float
    offset: int

    @property
    def spacing(self) -> np.ndarray:
        """Size of a voxel along i, j, k, mm [3]."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def axes(self) -> np.ndarray:
        """Unit vectors of i, j, k as columns [3, 3]."""
        return self.affine[:3, :3] / self.spacing


def parse(blob: bytes) -> Image:
    """Reads the header of a file.

    Raises:
        Refusal: It is no NIfTI file, or nothing that can be converted.
    """
    header = _header(inflate.head(blob, _HEADER_BYTES))
    shape = _shape(header)
    affine, space = _affine(header, shape)
    dtype = _dtype(header)
    slope, intercept = _scaling(header)
    offset = float(header["vox_offset"])
    if not (math.isfinite(offset) and offset >= int(header["sizeof_hdr"])):
        raise Refusal("bad_type")
    if offset + math.prod(shape) * dtype.itemsize > _MOST_BYTES:
        raise Refusal("too_large")
    return Image(shape, affine, space, dtype, slope, intercept, int(offset))


def stored(blob: bytes, image: Image) -> np.ndarray:
    """Returns the stored voxels [i, j, k].

    Args:
        blob: The file.
        image: What `parse` returned for it.

    Raises:
        Refusal: truncated, decode_error or bomb.
    """
    count = math.prod(image.shape)
    content = inflate.whole(blob, image.offset + count * image.dtype.itemsize)
    # The first index varies fastest in a file (nifti1.h, dim).
    voxels = np.frombuffer(content, image.dtype, count, image.offset)
    return voxels.reshape(image.shape, order="F")


def _header(head: bytes):
    for kind, size, magic in (
        (nibabel.Nifti1Header, 348, head[344:348] == b"n+1\0"),
        (nibabel.Nifti2Header, 540, head[4:8] == b"n+2\0"),
    ):
        if magic and len(head) >= size:
            if size not in (int.from_bytes(head[:4], order) for order in ("little", "big")):
                raise Refusal("not_nifti")
            return kind(head[:size], check=False)
    raise Refusal("not_nifti")


def _shape(header) -> tuple[int, int, int]:
    dim = [int(n) for n in header["dim"]]
    if not 1 <= dim[0] <= 7:
        raise Refusal("bad_dims")
    sides = dim[1 : dim[0] + 1]
    if min(sides) < 1:
        raise Refusal("bad_dims")
    if max(sides[3:], default=1) > 1:
        raise Refusal("not_3d")
    if max(sides) > _LARGEST_SIDE:
        raise Refusal("too_large")
    i, j, k = (sides + [1, 1])[:3]
    return i, j, k


def _dtype(header) -> np.dtype:
    code = int(header["datatype"])
    if code in _COLOURS:
        raise Refusal("not_grayscale")
    if code not in _NUMBERS:
        raise Refusal("bad_type")
    return np.dtype(header.endianness + _NUMBERS[code])


def _scaling(header) -> tuple[float, float]:
    """A slope of 0 means none (nifti1.h, scl_slope); nibabel writes NaN for none."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or math.isnan(slope):
        return 1.0, 0.0
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise Refusal("bad_rescale")
    return slope, intercept


def _affine(header, shape: tuple[int, int, int]) -> tuple[np.ndarray, int]:
    """Returns sform if it is set, else qform; where both are, they must agree."""
    if int(header["xyzt_units"]) & 7 not in _MILLIMETRES_OR_UNKNOWN:
        raise Refusal("bad_spacing")
    try:
        qform, qcode = header.get_qform(coded=True)
        sform, scode = header.get_sform(coded=True)
    except (ValueError, HeaderDataError) as error:
        raise Refusal("bad_orientation") from error
    forms = [form for form in (sform, qform) if form is not None]
    if not forms:
        raise Refusal("no_orientation")
    for form in forms:
        _check_axes(form)
    if len(forms) == 2 and not same_voxels(np.linalg.inv(sform) @ qform, shape):
        raise Refusal("bad_orientation")
    code = int(scode) if sform is not None else int(qcode)
    return RAS_TO_LPS @ forms[0], code if code >= _TEMPLATE else 0


def _check_axes(affine: np.ndarray) -> None:
    """Refuses axes that are not three perpendicular directions of positive length."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.all(np.isfinite(affine)) or lengths.min() <= 1e-6:
        raise Refusal("bad_orientation")
    axes = affine[:3, :3] / lengths
    if np.abs(axes.T @ axes - np.eye(3)).max() > _PERPENDICULAR:
        raise Refusal("bad_orientation")


def same_voxels(transform: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Tells whether a map from voxel indices to voxel indices moves no voxel of a volume.

    Args:
        transform: [4, 4].
        shape: Of the volume; an affine map moves a corner the farthest.
    """
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    corners = corners * (np.array(shape) - 1)
    moved = corners @ transform[:3, :3].T + transform[:3, 3]
    return bool(np.abs(moved - corners).max() <= SAME_VOXEL)
