"""From verified shards to slices in memory.

Slices are parsed once and kept as uint16. `data.batches` draws from them.
"""

import dataclasses
import pathlib

import numpy as np
import tensorflow as tf

from tfcyclegan.data import intensity, manifest, records
from tfcyclegan.errors import ExitCode, UserError

MIN_UNIT_STD = 1e-3
"""Slices flatter than this in unit range are left out: instance norm would amplify their noise."""

METADATA = (
    "id/patient",
    "id/study",
    "id/series",
    "id/frame_of_ref",
    "geom/grid",
    "geom/slice_index",
    "geom/slice_frac",
    "geom/frame_pos_mm",
    "geom/slice_spacing_mm",
    "geom/out_spacing_mm",
)
PARSE_BATCH = 64

as_it_is = tf.autograph.experimental.do_not_convert
"""Keeps AutoGraph from converting a function of a dataset.

None of them has an `if` on a tensor, and the search for one takes seconds.
"""


@dataclasses.dataclass(frozen=True)
class Slices:
    """The slices of one sequence in one split, ordered by patient, study, series and position.

    Args:
        images: uint16 [N, S, S], stored range.
        metadata: Feature name to array [N], the names in `METADATA`; with masks also "mask/NAME",
            bool: whether the slice has that mask, be it empty; and "empty/NAME", bool: whether it
            has no pixel as it was stored, since small parts vanish from a smaller slice.
        masks: Mask name to bool [N, S, S], False where there is none.
    """

    images: np.ndarray
    metadata: dict[str, np.ndarray]
    masks: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: np.ndarray) -> "Slices":
        """Returns the slices at `indices`, in that order."""
        metadata, masks = (
            {name: array[indices] for name, array in arrays.items()}
            for arrays in (self.metadata, self.masks)
        )
        return Slices(self.images[indices], metadata, masks)

    def unit(self) -> np.ndarray:
        """Returns the images as float32 [N, S, S, 1] in unit range."""
        return intensity.stored_to_unit(self.images.astype(np.float32))[..., np.newaxis]


def load_slices(
    data_dir: str,
    shards: list[manifest.Shard],
    *,
    split: str,
    sequence: str,
    image_size: int,
    masks: tuple[str, ...] = (),
) -> Slices:
    """Reads the patients that one split of the manifest names from its verified shards into memory.

    Args:
        data_dir: Directory of the shards.
        shards: Rows of the manifest.
        split: "train", "val" or "test".
        sequence: A member of `records.SEQUENCES`.
        image_size: Slices are resampled to this height and width, antialiased.
        masks: Of `records.MASKS`, for evaluation and `lesion_free`; no network may see them. A
            pixel of a smaller slice is in a mask where half of its area is.

    Raises:
        UserError: There is no such slice, a shard is missing or damaged, or a record does not
            follow the schema.
    """
    split_shards = [s for s in shards if s.split == split and s.sequence == sequence]
    if not split_shards:
        available = sorted({(s.split, s.sequence) for s in shards})
        raise UserError(
            f"--data_dir {data_dir} holds no {sequence} slices in split {split}. It holds:"
            f" {', '.join(' '.join(pair) for pair in available) or 'nothing'}. Convert with other"
            " --splits, or choose another split or domain."
        )
    manifest.verify(pathlib.Path(data_dir), split_shards)
    parts = [_read_shard(pathlib.Path(data_dir), shard, masks) for shard in split_shards]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    images = resample(joined.pop("image/data"), image_size)
    stored = {name: joined.pop(f"mask/{name}") for name in masks}
    inside = {name: resample_mask(mask, image_size) for name, mask in stored.items()}
    metadata = {name.replace("known/", "mask/"): array for name, array in joined.items()}
    metadata |= {f"empty/{name}": ~mask.any(axis=(1, 2)) for name, mask in stored.items()}
    keep = images.std(axis=(1, 2)) > MIN_UNIT_STD * intensity.STORED_MAX
    keys = ("geom/slice_index", "id/series", "id/study", "id/patient")
    order = np.lexsort([metadata[key] for key in keys])
    return Slices(images, metadata, inside).take(order[keep[order]])


def _read_shard(
    directory: pathlib.Path, shard: manifest.Shard, masks: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Returns images, metadata, and for each mask "mask/NAME" [N, SIZE, SIZE], "known/NAME" [N]."""
    path, count = directory / shard.shard, shard.records

    def decode(batch: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = records.parse(batch, ("image/data", *METADATA, *(f"mask/{m}" for m in masks)))
        for name in masks:
            packed = parsed[f"mask/{name}"]
            parsed[f"mask/{name}"], parsed[f"known/{name}"] = records.decode_mask(packed)
        return parsed

    dataset = tf.data.TFRecordDataset(str(path)).batch(PARSE_BATCH)
    dataset = dataset.map(as_it_is(decode))
    try:
        batches = list(dataset.as_numpy_iterator())
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        raise UserError(
            f"Shard {path} holds a record that does not follow the schema. Convert again.",
            ExitCode.DAMAGED,
        ) from error
    part = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    if len(part["image/data"]) != count:
        raise UserError(
            f"Shard {path}: expected {count} records. Received: {len(part['image/data'])}."
            " Convert again.",
            ExitCode.DAMAGED,
        )
    of_split = np.isin(part["id/patient"], [patient.encode() for patient in shard.patients])
    return {name: values[of_split] for name, values in part.items()}


def resample(images: np.ndarray, size: int) -> np.ndarray:
    """Resamples uint16 [N, H, W] to [N, size, size]: area mean down, bilinear up."""
    if images.shape[1:] == (size, size):
        return images
    batches = np.array_split(images, max(1, len(images) // PARSE_BATCH))
    return np.concatenate([_resample_batch(batch, size) for batch in batches])


def resample_mask(masks: np.ndarray, size: int) -> np.ndarray:
    """Resamples bool [N, H, W] to [N, size, size]: a pixel is inside where half of its area is."""
    if masks.shape[1:] == (size, size):
        return masks
    full = masks.astype(np.uint16) * np.uint16(intensity.STORED_MAX)
    return resample(full, size) > intensity.STORED_MAX // 2


def _resample_batch(images: np.ndarray, size: int) -> np.ndarray:
    resized = resize(tf.constant(images.astype(np.float32)[..., np.newaxis]), size)
    return resized[..., 0].numpy().astype(np.uint16)


def resize(stored: tf.Tensor, size: int) -> tf.Tensor:
    """Resamples float32 [N, H, W, 1] in stored range to whole numbers [N, size, size, 1].

    Area mean down, bilinear up; images of that size go through unchanged.
    """
    if stored.shape[1:3] == (size, size):
        return stored
    method = "area" if size < stored.shape[1] else "bilinear"
    return tf.round(tf.image.resize(stored, (size, size), method))
