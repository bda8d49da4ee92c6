"""run.json says what made a run, and not on whose machine."""

import importlib.metadata
import json
import os
import platform

from record_sets import write_dataset

from tfcyclegan.config import TrainConfig
from tfcyclegan.data import manifest
from tfcyclegan.training.rundir import provenance

CPUINFO = (
    "processor\t: 0\nmodel name\t: A Processor 3000 @ 2.00GHz\nprocessor\t: 1\nmodel name: B\n"
)


def test_run_json_names_versions_data_and_devices_and_no_host(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "node", lambda: "the-host-name")
    monkeypatch.setenv("USER", "the-user-name")
    shards = manifest.read(write_dataset(tmp_path, slices=1))
    data = f"--data_dir={tmp_path}"
    config = TrainConfig.parse(data, "--workdir=w", "--seed=7", "--nodeterministic")
    described = provenance.describe(config, shards, ["--data_dir=d", "--seed=7"])
    text = json.dumps(described)
    assert "the-host-name" not in text and "the-user-name" not in text
    for name in ("tensorflow", "keras", "numpy", "scipy", "pydicom", "tqdm"):
        assert described["versions"][name] == importlib.metadata.version(name)
    assert described["command"][-2:] == ["--data_dir=d", "--seed=7"]
    assert (described["seed"], described["deterministic"]) == (7, False)
    assert described["dataset_hash"] == manifest.dataset_hash(shards)
    assert described["split_hash"] == manifest.split_hash(shards)
    assert described["devices"] == ["/device:CPU:0", "/device:CPU:1"]
    assert described["hardware"]["cpu"]["cores"] == len(os.sched_getaffinity(0))


def test_run_json_says_how_volumes_were_windowed(tmp_path):
    shards = manifest.read(write_dataset(tmp_path, slices=1))
    config = TrainConfig.parse(f"--data_dir={tmp_path}", "--workdir=w")
    assert provenance.describe(config, shards, [])["window_percentiles"] == (0.5, 99.5)
    card = tmp_path / manifest.CARD
    facts = json.loads(card.read_text()) | {"intensity": {"window_percentiles": [0.5, None]}}
    card.write_text(json.dumps(facts))
    assert provenance.describe(config, shards, [])["window_percentiles"] == (0.5, None)


def test_the_cpu_is_read_from_linux_and_unknown_elsewhere():
    assert provenance.cpu_model(CPUINFO) == "A Processor 3000 @ 2.00GHz"
    assert provenance.cpu_model("") == "unknown"
