"""Small converted datasets for tests, written through the record contract."""

import hashlib
import json
import pathlib

import numpy as np
import tensorflow as tf

from tfcyclegan.data import manifest, record_bytes, records


def pseudonym(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def head(sequence: str, patient: int, index: int, count: int) -> np.ndarray:
    """A disc with a bright (T2) or dark (FLAIR) hole that grows with the slice; uint16."""
    y, x = np.mgrid[: records.SIZE, : records.SIZE] / records.SIZE - 0.5
    radius = np.hypot(y * 1.1, x)
    texture = 0.05 * np.sin(40 * x + patient) * np.cos(30 * y)
    image = np.where(radius < 0.4, 0.5 + texture, 0.0)
    hole = radius < 0.08 + 0.1 * index / count
    image[hole] = 0.9 if sequence == "t2" else 0.15
    return np.rint(image * 65535).astype(np.uint16)


def record(sequence: str, patient: int, index: int, count: int, **changes) -> dict:
    """One valid record; `changes` replaces features."""
    values = {
        "image/data": head(sequence, patient, index, count),
        "image/height": records.SIZE,
        "image/width": records.SIZE,
        "image/channels": 1,
        "image/bits": 16,
        "image/content_box": [0, 0, records.SIZE, records.SIZE],
        "image/scale_lo": 0.0,
        "image/scale_hi": 1000.0,
        "mask/lesion": None,
        "mask/brain": None,
        "mask/ventricle": None,
        "series/class": sequence,
        "series/class_source": "rule",
        "series/class_confidence": 1.0,
        "mr/te_ms": 100.0,
        "mr/tr_ms": 5000.0,
        "mr/ti_ms": float("nan"),
        "mr/flip_deg": 90.0,
        "mr/etl": 16.0,
        "mr/field_t": 3.0,
        "mr/manufacturer": "other",
        "mr/acq_dim": "2d",
        "mr/contrast": "no",
        "mr/plane": "axial",
        "geom/src_spacing_mm": [1.0, 1.0],
        "geom/out_spacing_mm": 1.0,
        "geom/slice_thickness_mm": 5.0,
        "geom/slice_spacing_mm": 5.0,
        "geom/slice_index": index,
        "geom/slice_count": count,
        "geom/slice_pos_mm": 5.0 * index,
        "geom/slice_frac": index / max(count - 1, 1),
        "geom/frame_pos_mm": 5.0 * index,
        "geom/grid": pseudonym(f"grid{patient}"),
        "id/patient": pseudonym(f"patient{patient}"),
        "id/study": pseudonym(f"study{patient}"),
        "id/series": pseudonym(f"{sequence}{patient}"),
        "id/frame_of_ref": pseudonym(f"frame{patient}"),
        "prov/schema_version": records.SCHEMA_VERSION,
        "prov/converter_version": "0.1.0",
        "prov/config_hash": pseudonym("config"),
        "prov/key_id": "0123abcd",
        "prov/synthetic": 0,
        "prov/generator": records.NO_GENERATOR,
    }
    return {**values, **changes}


def write_shard(directory: pathlib.Path, split: str, sequence: str, rows: list) -> manifest.Shard:
    """Writes one shard and returns its manifest row."""
    name = manifest.shard_name("test", split, sequence, 0, 1)
    path = directory / name
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in rows:
            writer.write(record_bytes.serialize(row))
    patients = tuple(sorted({row["id/patient"] for row in rows}))
    size, digest = path.stat().st_size, manifest.sha256_of(path)
    return manifest.Shard(name, split, sequence, len(rows), size, digest, patients)


def masked(patient: int, index: int) -> dict[str, np.ndarray]:
    """Masks of `head`: its brain, its hole as ventricle, and a lesion that differs by patient."""
    y, x = np.mgrid[: records.SIZE, : records.SIZE] / records.SIZE - 0.5
    angle = 2.4 * patient
    lesion = np.hypot(y - 0.22 * np.sin(angle), x - 0.22 * np.cos(angle)) < 0.05 + 0.01 * index
    radius = np.hypot(y * 1.1, x)
    return {"mask/lesion": lesion, "mask/brain": radius < 0.38, "mask/ventricle": radius < 0.08}


def write_dataset(directory: pathlib.Path, *, slices: int = 4, masks: bool = False) -> pathlib.Path:
    """Writes patients 0-2 to train, 3-4 to val, 5-6 to test, both sequences each."""
    directory.mkdir(parents=True, exist_ok=True)
    shards = []
    for split, patients in (("train", (0, 1, 2)), ("val", (3, 4)), ("test", (5, 6))):
        for sequence in ("t2", "flair"):
            rows = [
                record(sequence, p, i, slices, **(masked(p, i) if masks else {}))
                for p in patients
                for i in range(slices)
            ]
            shards.append(write_shard(directory, split, sequence, rows))
    write_index(directory, shards)
    return directory


def write_index(directory: pathlib.Path, shards: list[manifest.Shard]) -> None:
    """Writes manifest and card."""
    rows = "".join(shard.to_json() + "\n" for shard in shards)
    (directory / manifest.MANIFEST).write_text(rows)
    card = {"schema_version": records.SCHEMA_VERSION}
    (directory / manifest.CARD).write_text(json.dumps(card))
