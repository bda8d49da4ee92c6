"""What tests switch off that users have on: every such flag has a reason, or it goes.

A run of several replicas once failed in its first epoch under every configuration, and no test saw
it, because all of them passed --pool_size=0. So each training flag that a test sets to a value that
no file in configs/ has stands in `REASONS`. Values that need a closer look are those that turn
something off or keep it from happening within a few steps.
"""

import dataclasses
import pathlib
import re

from places import TESTS
from printed_commands import CONFIGS

from tfcyclegan.config import TrainConfig

SET = re.compile(r"""--(\w+)(=[^"'\s\\]*)?(?=["'\s\\])""")
"""A flag in a string, which may hold several."""

PATHS = {"data_dir", "workdir", "model"}
"""--model is a path, too, of what is evaluated; test_conformance.py trains every value."""
NETWORK = "small networks; tests/models/test_networks.py builds the sizes of the papers"
SHORT = "runs of a few steps"
OFF_BY_DEFAULT = "an ingredient that no configuration has on; it is what is tested"
REFUSED = "a value that is refused, or a change that is; it is what is tested"
REASONS = {
    "accumulate_steps": OFF_BY_DEFAULT,
    "allow_config_change": OFF_BY_DEFAULT,
    "batch_size": "as many examples as replicas or parts, as docs/distributed.md has it",
    "cycle_weight": "a change of the mathematics, in tests that look for its name",
    "decay_start_epoch": SHORT,
    "direction": "one of two, where the other has nothing to add",
    "discriminator_filters": NETWORK,
    "discriminator_images": "2 and 3 are counted by hand; 4 is in tests/support/tiny_runs.py",
    "discriminator_learning_rate": "a rate of its own, compared with the generators'",
    "discriminator_size": "the factor of configs/cpu_128.flags at half its size",
    "domain_b": REFUSED,
    "drop_lesions": OFF_BY_DEFAULT,
    "dry_run": "a mode of its own; it is what is tested",
    "ema_decay": "an average of 0.9 moves visibly in three steps; that of a run is the shipped one",
    "enlarge_crop": REFUSED,
    "epochs": SHORT,
    "extractor": "other feature networks; they are what is tested",
    "feature_margin": REFUSED,
    "feature_weight": REFUSED,
    "flips": "an empty list survives a flagfile, and a wrong one is refused",
    "fold": "a mode of its own; it is what is tested",
    "generator": "the third kind, a U-Net",
    "generator_blocks": NETWORK,
    "generator_filters": NETWORK,
    "identity_weight": REFUSED,
    "image_size": "32 px, so that a step takes milliseconds; pools and views follow it",
    "gan_loss": "the losses of DCGAN that are not its default; they are what is tested",
    "latent_size": NETWORK,
    "nce_layers": "those that one residual block has, and lists that are refused",
    "nce_patches": NETWORK,
    "nce_weight": "another weight than the mode's own",
    "nce_width": NETWORK,
    "nodeterministic": "what run.json says of it; every training of a test leaves it on",
    "match_slice_position": REFUSED,
    "pairs": "none, beside which other flags of pairs mean nothing",
    "pairs_per_example": "3 are counted by hand",
    "pair_ssim_weight": OFF_BY_DEFAULT,
    "pair_updates": "two and three, whose weights and rates are computed apart",
    "lesion_emphasis": OFF_BY_DEFAULT,
    "pair_weight": "another weight than the default, in a sum",
    "pool_size": "3 is full within an epoch of 6 steps, so that images leave it again",
    "position_channels": "both networks; tests/support/tiny_runs.py has the discriminators'",
    "precision": "half precision; it is what is tested",
    "r1_weight": OFF_BY_DEFAULT,
    "registration_filters": NETWORK,
    "registration_size": NETWORK,
    "rotations": "a list survives a flagfile, and a wrong one is refused",
    "seed": "another run",
    "smoothness_weight": REFUSED,
    "style_weight": REFUSED,
    "steps_per_epoch": SHORT,
    "strategy": "each of them; single where a test has two logical devices",
    "unet_levels": NETWORK,
    "validate_every": "every epoch, so that each row of a short history has scores",
    "vgg": REFUSED,
    "validation_pairs": "fewer than there are, so that choosing them is tested",
}


NOTHING = {"", "0", "none", "off", "false", "False"}
TURNED_OFF = {
    ("test_config.py", "epochs"),  # refused
    ("test_config.py", "flips"),  # an empty list survives a flagfile
    ("test_conformance.py", "r1_weight"),  # half precision refuses the penalty
    ("test_cut.py", "nce_layers"),  # refused
    ("test_resume.py", "dry_run"),  # --dry_run=false is a run
}
"""(file, flag) of values that switch something off; another file is another decision."""


def set_by_tests() -> set[tuple[str, str, str]]:
    """(file, flag, value) of each training flag that a test sets as no configuration has it."""
    kinds = {field.name: type(field.default) for field in dataclasses.fields(TrainConfig)}
    kinds |= {f"no{name}": bool for name, kind in kinds.items() if kind is bool}
    shipped = set()
    for path in CONFIGS:
        config = TrainConfig.parse(f"--flagfile={path}", "--data_dir=-", "--workdir=-")
        shipped |= set(config.to_flagfile().splitlines())
    found = set()
    for path in TESTS.rglob("*.py"):
        for name, value in SET.findall(path.read_text()):
            # Without a value it is on, or a name in a message.
            value = value or ("=True" if kinds.get(name) is bool else "")
            if name in kinds.keys() - PATHS and value and f"--{name}{value}" not in shipped:
                found.add((path.name, name, value[1:]))
    return {one for one in found if one[0] != pathlib.Path(__file__).name}


def test_every_flag_that_tests_set_otherwise_has_a_reason():
    assert {name for _, name, _ in set_by_tests()} == REASONS.keys()


def test_what_tests_turn_off_is_off_in_one_place():
    assert {(file, name) for file, name, value in set_by_tests() if value in NOTHING} == TURNED_OFF
