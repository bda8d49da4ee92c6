"""The first pass keeps little of each file, so that a hundred thousand of them fit into memory."""

import tracemalloc

from dicom_studies import write_stack

from tfcyclegan.imaging.source import walk
from tfcyclegan.ingest import scan
from tfcyclegan.ingest.workers import Workers
from tfcyclegan.privacy.pseudonyms import Pseudonyms


def test_a_hundred_thousand_files_fit_into_256_mib(tmp_path):
    for number in range(4):
        write_stack(tmp_path / str(number), slices=100, rows=8, columns=8, series=f"S{number}")
    key = Pseudonyms(bytes(32))
    tracemalloc.start()
    with Workers(1) as workers:
        objects = list(walk.walk([tmp_path]))
        found = list(scan.scan(objects, key, workers))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 400 and all(item.frames for item in found)
    assert held / len(found) * 100_000 < 256 << 20
    assert len({id(item.frames[0].physics) for item in found}) == 1
