"""Compares two domains before training: what differs between them, a model learns to add.

python tools/compare_domains.py RECORDS
"""

import pathlib

from tfcyclegan import config
from tfcyclegan.data import doctor, manifest
from tfcyclegan.data.slices import load_slices


def main(settings: config.DomainsConfig) -> int:
    """Prints how the domains of a split differ; returns 2 if they differ seriously, or 0."""
    shards = manifest.read(pathlib.Path(settings.data_dir))
    if settings.dry_run:
        return 0
    names = settings.domain_a, settings.domain_b
    slices = [
        load_slices(
            settings.data_dir,
            shards,
            split=settings.split,
            sequence=name,
            image_size=settings.image_size,
        )
        for name in names
    ]
    split_shards = [shard for shard in shards if shard.split == settings.split]
    stored = tuple(sum(s.records for s in split_shards if s.sequence == name) for name in names)
    measures = doctor.examine(*slices, stored)
    print(doctor.report(measures, names))
    return 2 if any(measure.severity == 2 for measure in measures) else 0


if __name__ == "__main__":
    config.run(main, config.DomainsConfig)
