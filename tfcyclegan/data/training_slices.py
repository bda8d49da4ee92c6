"""The slices that a run learns from: all of both domains, and the pairs among them."""

import dataclasses

import numpy as np

from tfcyclegan.data import labels, pair_fit
from tfcyclegan.data.labels import Labels
from tfcyclegan.data.pairing import Pairs, pair
from tfcyclegan.data.slices import Slices
from tfcyclegan.errors import ExitCode, UserError

NO_PAIRS = "no pairs"
NONE = "none. Convert both series of a patient together"
SHOW_ANOTHER_PLACE = (
    "none that show one place. See what tools/compare_domains.py says of pairs, convert again"
)


def pairs_of(described: dict) -> str:
    """Returns what run.json says of the pairs that its run learns from, in words.

    Runs of before there was a choice learnt from none. What features they are compared by stands
    there, too: a model with random ones is not the published one with those of a VGG.
    """
    pairs = described.get("pairs", {})
    if not pairs.get("n_pairs"):
        return NO_PAIRS
    counts = (("pair", pairs["n_pairs"]), ("patient", pairs["n_patients"]))
    words = " of ".join(f"{n} {what}{'s' if n > 1 else ''}" for what, n in counts)
    if features := next(iter(described.get("compared_by", {}).values()), None):
        words += f", features of {features['network']} (sha256 {features['sha256'][:8]})"
    return words


@dataclasses.dataclass(frozen=True)
class TrainingSlices:
    """Slices of the patients that are trained on.

    Args:
        a: Slices of domain a, which are drawn without regard to b.
        b: Slices of domain b.
        pairs: Slices of a and b that show the same places; None where a run learns from none.
        fit: What `pair_fit` found of the pairs that headers promise; empty where none was sought.
        pairs_hash: 32 hex digits that stand for all of that.
        labels: Of the pairs, where a run learns to paint them.
    """

    a: Slices
    b: Slices
    pairs: Pairs | None = None
    fit: dict[str, int] = dataclasses.field(default_factory=dict)
    pairs_hash: str = ""
    labels: Labels | None = None

    @classmethod
    def choose(
        cls,
        slices_a: Slices,
        slices_b: Slices,
        *,
        pairs: str,
        patients: int = 0,
        seed: int = 0,
        move: bool = True,
        labels_within: float | None = None,
    ) -> "TrainingSlices":
        """Returns what --pairs and --pair_patients ask for, of the pairs that fit (`pair_fit`).

        Args:
            slices_a: Slices of domain a.
            slices_b: Slices of domain b.
            pairs: "auto", "none" or "only", which leaves out all slices but those of the pairs.
            patients: Number of patients whose pairs count, the first of an order that `seed`
                draws, so that more patients are the same ones and others; 0 means all.
            seed: Of that order.
            move: Whether slices of b that have moved are moved back.
            labels_within: The tolerance of `labels.of_pairs`; None where labels are not wanted.

        Raises:
            UserError: "only", and there are no pairs; or labels are wanted, and no pair has masks.
        """
        if pairs == "none":
            return cls(slices_a, slices_b)
        promised = pair(slices_a, slices_b)
        fit = pair_fit.fit(promised)
        if not move:
            fit = dataclasses.replace(fit, shifts=np.zeros_like(fit.shifts))
        found = of_patients(fit.applied(promised), patients, seed)
        if pairs == "only" and not len(found):
            raise UserError(
                "--pairs=only needs slices of both domains of one study on one grid, and split"
                f" train has {SHOW_ANOTHER_PLACE if len(promised) else NONE}, or train a model that"
                " needs no pairs, with --pairs=none.",
                ExitCode.MISSING,
            )
        found_out = fit.described(), fit.digest()
        if labels_within is not None:
            return cls._labelled(found, *found_out, labels_within)
        if pairs == "only":
            return cls(found.a, found.b, found, *found_out)
        return cls(slices_a, slices_b, found if len(found) else None, *found_out)

    @classmethod
    def _labelled(cls, found: Pairs, described: dict, digest: str, within: float):
        kept, made = labels.of_pairs(found, within)
        if not len(kept):
            raise UserError(
                "--model=tumorgan needs pairs with a lesion mask and a brain mask, and split train"
                " has none. Convert with masks (docs/datasets.md).",
                ExitCode.MISSING,
            )
        described = described | {
            "n_without_masks": len(found) - len(kept),
            "n_without_donors": int((made.count == 0).sum()),
        }
        return cls(kept.a, kept.b, kept, described, digest, made)

    def cautions(self) -> list[str]:
        """Returns what to warn of before a run learns from these, in sentences."""
        reasons = {
            "n_left_out": "left out: the slices do not show one place. tools/compare_domains.py"
            " says more.",
            "n_without_masks": "left out: they have no lesion mask or no brain mask.",
            "n_without_donors": "shown with their own lesion alone: that of no other patient fits.",
        }
        return [
            f"{count} pairs are {reason}" if count > 1 else f"1 pair is {reason}"
            for name, reason in reasons.items()
            if (count := self.fit.get(name, 0))
        ]

    @property
    def pair_patients(self) -> int:
        """Number of patients whose pairs are learnt from."""
        return 0 if self.pairs is None else len(np.unique(self.pairs.a.metadata["id/patient"]))

    def described(self) -> dict:
        """Returns what run.json says of the pairs: how many, of whom, and why they count as such.

        `n_pairs` is 0 where a run learns from none. `n_left_out` and `n_moved` are of all pairs
        that headers promise, before --pair_patients.
        """
        if self.pairs is None:
            return {"n_pairs": 0, "n_patients": 0, **self.fit}
        return {**self.pairs.registration(), "n_patients": self.pair_patients, **self.fit}

    def __str__(self) -> str:
        """What a run says of its pairs when it starts."""
        return pairs_of({"pairs": self.described()})


def of_patients(pairs: Pairs, patients: int, seed: int) -> Pairs:
    """Returns the pairs of so many patients, or all where there are fewer or `patients` is 0."""
    owners = pairs.a.metadata["id/patient"]
    names = np.unique(owners)
    if not patients or patients >= len(names):
        return pairs
    chosen = np.random.default_rng(seed).permutation(names)[:patients]
    return pairs.take(np.isin(owners, chosen).nonzero()[0])
