"""The data of an evaluation: the split that is scored, and the slices the model learnt from."""

import dataclasses
import hashlib

from tfcyclegan.data import manifest, records
from tfcyclegan.data.lesion_free import lesion_free
from tfcyclegan.data.pairing import Pairs, pair
from tfcyclegan.data.slices import MIN_UNIT_STD, Slices, load_slices
from tfcyclegan.evaluation.figures.lesions import prevalence

DOMAINS = ("a", "b")
NOT_ITS_OWN = "the model was trained on another dataset, so its training slices are not at hand"
SAME_SPLIT = "the evaluated split is the one that the model was trained on"
NO_TRAIN = "the dataset holds no training slices"


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What is evaluated.

    Attributes:
        slices: "a" and "b" to all slices of the split.
        pairs: The pairs among them.
        sequences: What the domains are, a first.
        train: "a" and "b" to the slices that the model was trained on; empty if not at hand.
        no_train: Why they are not.
    """

    slices: dict[str, Slices]
    pairs: Pairs
    sequences: tuple[str, str]
    train: dict[str, Slices]
    no_train: str


def dealt(shards: list[manifest.Shard], model: dict) -> list[manifest.Shard]:
    """Returns the rows of the manifest with the splits that the model was trained under.

    The folds are those of the training run. Nobody chooses them here: another fold would be a leak.
    """
    is_own = model["trained_on"] == manifest.dataset_hash(shards)
    return manifest.deal(shards, model["folds"], model["fold"]) if is_own else shards


def load(data_dir: str, shards: list[manifest.Shard], split: str, model: dict) -> Inputs:
    """Reads the split and the model's training slices.

    Args:
        data_dir: Directory of the shards.
        shards: Rows of the manifest.
        split: What is evaluated.
        model: Description of the model, as `translators.load_translators` returns it.

    Raises:
        UserError: The split holds no slice of a domain, or a shard is damaged.
    """

    def read(domain: str, split_name: str, masks: tuple[str, ...]) -> Slices:
        return load_slices(
            data_dir,
            shards,
            split=split_name,
            sequence=model[f"domain_{domain}"],
            image_size=model["image_size"],
            masks=masks,
        )

    slices = {domain: read(domain, split, records.MASKS) for domain in DOMAINS}
    reason = _no_train(shards, split, model)
    train = {}
    if not reason:
        # Lesion masks alone: for the prevalence of lesions, and to leave lesions out again.
        train = {domain: read(domain, model["train_split"], ("lesion",)) for domain in DOMAINS}
        dropped = model["drop_lesions"]
        train |= {dropped: lesion_free(train[dropped])} if dropped in train else {}
    sequences = (model["domain_a"], model["domain_b"])
    return Inputs(slices, pair(slices["a"], slices["b"]), sequences, train, reason)


def _no_train(shards: list[manifest.Shard], split: str, model: dict) -> str:
    if model["trained_on"] not in (None, manifest.dataset_hash(shards)):
        return NOT_ITS_OWN
    if model["train_split"] == split:
        return SAME_SPLIT
    available = {(shard.split, shard.sequence) for shard in shards}
    needed = {(model["train_split"], model[f"domain_{domain}"]) for domain in DOMAINS}
    return "" if needed <= available else NO_TRAIN


def describe(inputs: Inputs) -> dict:
    """Returns what the report says of the data."""
    pairs = inputs.pairs
    patients = [set(inputs.slices[d].metadata["id/patient"]) for d in DOMAINS]
    return {
        "n_pairs": len(pairs),
        "n_unpaired": {"a": pairs.unpaired_a, "b": pairs.unpaired_b},
        "n_patients": len(patients[0] | patients[1]),
        "n_slices": {domain: len(inputs.slices[domain]) for domain in DOMAINS},
        "same_patients_in_both_domains": bool(patients[0] & patients[1]),
        "registration": pairs.registration(),
        "pairs_hash": pairs_hash(pairs),
        "slice_filter": f"slices whose deviation is below {MIN_UNIT_STD:g} are left out",
        "lesion_prevalence": {
            f"{name}_{domain}": prevalence(side[domain])
            for name, side in (("evaluated", inputs.slices), ("train", inputs.train))
            for domain in DOMAINS
            if domain in side
        },
    }


def pairs_hash(pairs: Pairs) -> str:
    """Returns 16 hex digits that change with any pair; two runs with one hash share all pairs."""
    keys = ("id/series", "geom/slice_index")
    columns = [side.metadata[key] for side in (pairs.a, pairs.b) for key in keys]
    rows = sorted(repr(row) for row in zip(*(column.tolist() for column in columns), strict=True))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]
