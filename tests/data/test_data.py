"""Order, randomness and resumption of the training batches; loading of shards."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from record_sets import record, write_index, write_shard

from tfcyclegan.data import batches as data_batches
from tfcyclegan.data import manifest
from tfcyclegan.data import slices as data_slices
from tfcyclegan.data.augment import Augmentation
from tfcyclegan.errors import UserError

SETTINGS = Augmentation(("horizontal",), (30.0,), 0.5, 0.2)


def numbered(count: int) -> data_slices.Slices:
    """Slices that carry their own number in every pixel, spread evenly over the head."""
    images = np.tile(np.arange(count, dtype=np.uint16)[:, None, None], (1, 8, 8))
    return data_slices.Slices(
        images, {"geom/slice_frac": np.linspace(0, 1, count, dtype=np.float32)}
    )


def drawn(count_a: int, count_b: int, steps: int, **changes) -> np.ndarray:
    """Numbers of the slices in the first `steps` batches, [steps * batch, 2]."""
    settings = {"batch_size": 2, "first_step": 0, "seed": 5, "augmentation": Augmentation()}
    dataset = data_batches.training_batches(
        numbered(count_a), numbered(count_b), **{**settings, **changes}
    )
    batches = [[image[:, 0, 0, 0] for image in pair] for pair in dataset.take(steps)]
    model = np.concatenate([np.stack(pair, axis=1) for pair in batches])
    return np.rint((model + 1) / 2 * 65535).astype(int)


def test_each_pass_is_a_permutation_and_no_two_are_alike():
    a = drawn(10, 10, steps=15)[:, 0].reshape(3, 10)
    for one_pass in a:
        assert sorted(one_pass) == list(range(10))
    assert (a[0] != a[1]).any() and (a[1] != a[2]).any() and (a[0] != np.arange(10)).any()


def test_domains_are_drawn_independently_and_the_shorter_wraps():
    numbers = drawn(12, 5, steps=30)
    assert (numbers[:10, 0] != numbers[:10, 1]).any()
    for one_pass in numbers[:, 1].reshape(12, 5):
        assert sorted(one_pass) == list(range(5))
    assert len({tuple(row) for row in numbers}) > 30


def test_a_run_continues_where_it_stopped():
    whole = drawn(10, 7, steps=12)
    np.testing.assert_array_equal(drawn(10, 7, steps=5, first_step=7), whole[14:])


def test_the_shares_of_two_workers_are_the_batches_of_one_process():
    whole = drawn(10, 7, steps=6, first_step=3, batch_size=4).reshape(6, 2, 2, 2)
    for worker in range(2):
        context = tf.distribute.InputContext(2, worker, num_replicas_in_sync=2)
        share = drawn(10, 7, steps=6, first_step=3, batch_size=4, context=context)
        np.testing.assert_array_equal(share.reshape(6, 2, 2), whole[:, :, worker])


def test_images_of_one_example_follow_each_other_and_stay_on_one_worker():
    settings = {"steps": 6, "first_step": 3}
    whole = drawn(10, 7, batch_size=4, images_per_example=3, **settings)
    np.testing.assert_array_equal(whole, drawn(10, 7, batch_size=12, **settings))
    for worker in range(2):
        context = tf.distribute.InputContext(2, worker, num_replicas_in_sync=2)
        share = drawn(10, 7, batch_size=4, images_per_example=3, context=context, **settings)
        np.testing.assert_array_equal(
            share.reshape(6, 2, 3, 2), whole.reshape(6, 2, 2, 3, 2)[:, :, worker]
        )


def test_positions_are_those_of_the_slices_in_the_head():
    settings = {"batch_size": 2, "first_step": 3, "seed": 5, "augmentation": Augmentation()}
    plain = data_batches.training_batches(numbered(9), numbered(5), **settings).take(4)
    placed = data_batches.training_batches(
        numbered(9), numbered(5), **settings, positions=True
    ).take(4)
    for pair, (a, b, place_a, place_b) in zip(plain, placed, strict=True):
        np.testing.assert_array_equal(a, pair[0])
        np.testing.assert_array_equal(b, pair[1])
        for images, place, count in ((a, place_a, 9), (b, place_b, 5)):
            numbers = np.rint((images[:, 0, 0, 0] + 1) / 2 * 65535)
            np.testing.assert_allclose(place, numbers / (count - 1), atol=1e-6)


def test_the_seed_decides():
    assert (drawn(10, 10, 5) == drawn(10, 10, 5)).all()
    assert (drawn(10, 10, 5) != drawn(10, 10, 5, seed=6)).any()


def test_matched_slices_come_from_the_same_height_and_still_vary():
    numbers = drawn(50, 40, steps=100, match_slice_position=0.1)
    distance = np.abs(numbers[:, 0] / 49 - numbers[:, 1] / 39)
    assert distance.max() <= 0.1 + 1e-6 and distance.max() > 0.08
    assert len(np.unique(numbers[:, 1])) == 40


def test_where_no_slice_is_near_the_nearest_is_matched():
    numbers = drawn(11, 2, steps=30, match_slice_position=0.01)
    assert set(numbers[numbers[:, 0] < 5, 1]) == {0} and set(numbers[numbers[:, 0] > 5, 1]) == {1}


def texture(count: int) -> data_slices.Slices:
    images = np.random.default_rng(0).integers(0, 65535, (count, 16, 16), np.uint16)
    return data_slices.Slices(
        images, {"geom/slice_frac": np.linspace(0, 1, count, dtype=np.float32)}
    )


def test_two_epochs_of_augmentation_differ():
    """The trap of T1 in public examples: random maps before the cache freeze the first epoch."""
    dataset = data_batches.training_batches(
        texture(1), texture(1), batch_size=1, first_step=0, seed=0, augmentation=SETTINGS
    )
    epochs = [pair[0].numpy().tobytes() for pair in dataset.take(20)]
    assert len(set(epochs)) == 20


def test_batches_do_not_depend_on_the_number_of_threads():
    def batches(threads: int) -> list[bytes]:
        dataset = data_batches.training_batches(
            texture(6), texture(5), batch_size=2, first_step=0, seed=0, augmentation=SETTINGS
        )
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        pairs = dataset.with_options(options).take(10)
        return [image.numpy().tobytes() for pair in pairs for image in pair]

    assert batches(1) == batches(4)


def test_batches_are_in_model_range():
    dataset = data_batches.training_batches(
        texture(4), texture(4), batch_size=3, first_step=0, seed=0, augmentation=SETTINGS
    )
    for image in next(iter(dataset)):
        assert image.shape == (3, 16, 16, 1) and image.dtype == tf.float32
        assert -1 <= tf.reduce_min(image) < -0.5 and 0.5 < tf.reduce_max(image) <= 1


def load(directory, **changes) -> data_slices.Slices:
    settings = {"split": "train", "sequence": "t2", "image_size": 256}
    return data_slices.load_slices(
        str(directory), manifest.read(directory), **{**settings, **changes}
    )


def test_slices_come_back_in_order_with_their_metadata(dataset):
    slices = load(dataset)
    assert len(slices) == 12
    patients = slices.metadata["id/patient"]
    assert (np.sort(patients) == patients).all() and len(set(patients)) == 3
    np.testing.assert_array_equal(slices.metadata["geom/slice_index"], [0, 1, 2, 3] * 3)
    np.testing.assert_array_equal(slices.metadata["geom/frame_pos_mm"], [0, 5, 10, 15] * 3)


def test_halving_takes_the_mean_of_four_pixels(dataset):
    full, half = load(dataset).images, load(dataset, image_size=128).images
    expected = full.reshape(-1, 128, 2, 128, 2).astype(float).mean(axis=(2, 4))
    np.testing.assert_allclose(half, expected, atol=0.51)


def test_what_is_not_there_is_named(dataset):
    with pytest.raises(UserError, match="no stir slices in split train. It holds: .*train t2"):
        load(dataset, sequence="stir")


def test_blank_slices_stay_outside(tmp_path):
    blank = np.full((256, 256), 3, np.uint16)
    rows = [record("t2", 0, i, 3) for i in range(3)]
    rows[1]["image/data"] = blank
    write_index(tmp_path, [write_shard(tmp_path, "train", "t2", rows)])
    np.testing.assert_array_equal(load(tmp_path).metadata["geom/slice_index"], [0, 2])


def test_records_of_another_schema_are_refused_with_the_file(tmp_path):
    shard = write_shard(tmp_path, "train", "t2", [record("t2", 0, 0, 1)])
    example = tf.train.Example()
    example.features.feature["other"].int64_list.value.append(1)
    with tf.io.TFRecordWriter(str(tmp_path / shard.shard)) as writer:
        writer.write(example.SerializeToString())
    path = tmp_path / shard.shard
    size, digest = path.stat().st_size, manifest.sha256_of(path)
    write_index(tmp_path, [dataclasses.replace(shard, bytes=size, sha256=digest)])
    with pytest.raises(UserError, match=f"{shard.shard} holds a record that does not follow"):
        load(tmp_path)


def test_a_wrong_count_is_refused(tmp_path):
    shard = write_shard(tmp_path, "train", "t2", [record("t2", 0, 0, 1)])
    write_index(tmp_path, [dataclasses.replace(shard, records=2)])
    with pytest.raises(UserError, match="expected 2 records. Received: 1"):
        load(tmp_path)
