"""The record contract: round trip, and the whitelist that nothing passes."""

import numpy as np
import pytest
import tensorflow as tf
from record_sets import record

from tfcyclegan.data import record_bytes, records

MASK_FIELDS = {f"mask/{name}" for name in records.MASKS}


def test_round_trip_of_every_feature():
    row = record("flair", 2, 3, 5)
    parsed = records.parse(tf.constant([record_bytes.serialize(row)]))
    assert parsed.keys() == records.FIELDS.keys()
    np.testing.assert_array_equal(parsed["image/data"][0], row["image/data"])
    for name in records.FIELDS.keys() - {"image/data", *MASK_FIELDS}:
        made, expected = parsed[name][0].numpy(), row[name]
        if isinstance(expected, str):
            expected = expected.encode()
        np.testing.assert_array_equal(made, np.asarray(expected, np.asarray(made).dtype), name)


def test_pixels_are_little_endian_rows_first():
    image = np.zeros((256, 256), np.uint16)
    image[0, 1] = 0x0102
    example = tf.train.Example.FromString(
        record_bytes.serialize(record("t2", 0, 0, 4, **{"image/data": image}))
    )
    data = example.features.feature["image/data"].bytes_list.value[0]
    assert len(data) == 131072 and data[2:4] == b"\x02\x01"


MASK = np.random.default_rng(0).random((256, 256)) < 0.1


def test_masks_come_back_where_there_are_any():
    rows = [record("t2", 0, i, 2, **{"mask/lesion": MASK if i else None}) for i in range(2)]
    parsed = records.parse(tf.constant([record_bytes.serialize(row) for row in rows]))
    mask, present = records.decode_mask(parsed["mask/lesion"])
    assert present.numpy().tolist() == [False, True]
    np.testing.assert_array_equal(mask[1], MASK)
    assert not mask[0].numpy().any() and mask.dtype == tf.bool
    assert not records.decode_mask(parsed["mask/brain"])[1].numpy().any()


def test_a_mask_is_one_bit_per_pixel_from_the_upper_left():
    mask = np.zeros((256, 256), bool)
    mask[0, 0] = mask[0, 9] = mask[255, 255] = True
    row = record("t2", 0, 0, 4, **{"mask/brain": mask})
    example = tf.train.Example.FromString(record_bytes.serialize(row))
    (data,) = example.features.feature["mask/brain"].bytes_list.value
    assert data == b"\x80\x40" + bytes(8189) + b"\x01"


def test_masks_decode_inside_a_dataset_too():
    rows = [record_bytes.serialize(record("t2", 0, 0, 2, **{"mask/lesion": MASK}))]
    dataset = tf.data.Dataset.from_tensor_slices(rows).batch(1).map(records.parse)
    mask, present = next(iter(dataset.map(lambda row: records.decode_mask(row["mask/lesion"]))))
    np.testing.assert_array_equal(mask[0], MASK)
    assert present.numpy().all()


def test_records_from_before_there_were_masks_have_none():
    example = tf.train.Example.FromString(record_bytes.serialize(record("t2", 0, 0, 4)))
    for name in MASK_FIELDS:
        del example.features.feature[name]
    parsed = records.parse(tf.constant([example.SerializeToString()]))
    assert parsed["mask/lesion"].numpy().tolist() == [b""]


@pytest.mark.parametrize("changed", [{}, {"mask/brain": MASK, "geom/slice_index": -1}])
def test_the_bytes_are_those_of_tensorflows_own_encoder(changed):
    made = record_bytes.serialize(record("t2", 0, 1, 4, **changed))
    example = tf.train.Example.FromString(made)
    example.DiscardUnknownFields()
    assert made == example.SerializeToString(deterministic=True)
    assert made == record_bytes.serialize(record("t2", 0, 1, 4, **changed))


SECRET = "Doe^Jane"


def test_a_feature_outside_the_whitelist_is_refused_without_naming_it():
    with pytest.raises(ValueError, match="Not allowed: 1 feature") as caught:
        record_bytes.serialize({**record("t2", 0, 0, 4), f"mr/{SECRET}": "x"})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "name", [name for name, field in records.FIELDS.items() if field.allowed is not None]
)
@pytest.mark.parametrize("value", [SECRET, SECRET.encode(), "", "T2", None, 7])
def test_a_string_outside_its_vocabulary_is_refused_without_repeating_it(name, value):
    with pytest.raises(ValueError, match=f"Feature {name}: the value is outside") as caught:
        record_bytes.serialize(record("t2", 0, 0, 4, **{name: value}))
    assert SECRET not in str(caught.value)


def test_text_cannot_hide_in_pixels_or_numbers():
    with pytest.raises(ValueError, match="image/data: expected uint16"):
        record_bytes.serialize(
            record("t2", 0, 0, 4, **{"image/data": np.zeros((256, 256), np.uint8)})
        )
    for mask in (np.zeros((256, 256), np.uint8), np.zeros((8, 8), bool)):
        with pytest.raises(ValueError, match="mask/brain: expected bool"):
            record_bytes.serialize(record("t2", 0, 0, 4, **{"mask/brain": mask}))
    with pytest.raises(ValueError, match="expected 4 value"):
        record_bytes.serialize(record("t2", 0, 0, 4, **{"image/content_box": [0] * 40}))


def test_every_byte_feature_has_a_closed_vocabulary():
    for name, field in records.FIELDS.items():
        pixels = name in ("image/data", *MASK_FIELDS)
        assert (field.kind == "bytes") == (field.allowed is not None) or pixels
        assert bool(field.sizes) == pixels and sum(field.sizes) <= 131072


def test_a_missing_feature_is_named():
    row = record("t2", 0, 0, 4)
    del row["geom/grid"]
    with pytest.raises(ValueError, match="Missing: geom/grid"):
        record_bytes.serialize(row)
