"""Random weights in the shape of the FID network, the same for torch-fidelity's and for ours."""

import numpy as np

# Convolutions of each block as (name, input, output, height, width of the kernel); input 0 is the
# block's own input.
_POOLS = {"Mixed_5b": 32, "Mixed_5c": 64, "Mixed_5d": 64}
_SEVENS = {"Mixed_6b": 128, "Mixed_6c": 160, "Mixed_6d": 160, "Mixed_6e": 192}
_STEM = (
    ("Conv2d_1a_3x3", 3, 32, 3, 3),
    ("Conv2d_2a_3x3", 32, 32, 3, 3),
    ("Conv2d_2b_3x3", 32, 64, 3, 3),
    ("Conv2d_3b_1x1", 64, 80, 1, 1),
    ("Conv2d_4a_3x3", 80, 192, 3, 3),
)


def _a(pool):
    yield from (("1x1", 0, 64, 1, 1), ("5x5_1", 0, 48, 1, 1), ("5x5_2", 48, 64, 5, 5))
    yield from (("3x3dbl_1", 0, 64, 1, 1), ("3x3dbl_2", 64, 96, 3, 3))
    yield from (("3x3dbl_3", 96, 96, 3, 3), ("_pool", 0, pool, 1, 1))


def _c(c):
    yield from (("1x1", 0, 192, 1, 1), ("7x7_1", 0, c, 1, 1), ("7x7_2", c, c, 1, 7))
    yield from (("7x7_3", c, 192, 7, 1), ("7x7dbl_1", 0, c, 1, 1), ("7x7dbl_2", c, c, 7, 1))
    yield from (("7x7dbl_3", c, c, 1, 7), ("7x7dbl_4", c, c, 7, 1), ("7x7dbl_5", c, 192, 1, 7))
    yield ("_pool", 0, 192, 1, 1)


_B = (
    ("3x3", 0, 384, 3, 3),
    ("3x3dbl_1", 0, 64, 1, 1),
    ("3x3dbl_2", 64, 96, 3, 3),
    ("3x3dbl_3", 96, 96, 3, 3),
)
_D = (
    ("3x3_1", 0, 192, 1, 1),
    ("3x3_2", 192, 320, 3, 3),
    ("7x7x3_1", 0, 192, 1, 1),
    ("7x7x3_2", 192, 192, 1, 7),
    ("7x7x3_3", 192, 192, 7, 1),
    ("7x7x3_4", 192, 192, 3, 3),
)
_E = (
    ("1x1", 0, 320, 1, 1),
    ("3x3_1", 0, 384, 1, 1),
    ("3x3_2a", 384, 384, 1, 3),
    ("3x3_2b", 384, 384, 3, 1),
    ("3x3dbl_1", 0, 448, 1, 1),
    ("3x3dbl_2", 448, 384, 3, 3),
    ("3x3dbl_3a", 384, 384, 1, 3),
    ("3x3dbl_3b", 384, 384, 3, 1),
    ("_pool", 0, 192, 1, 1),
)
_INPUTS = dict(
    zip(
        ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"),
        (192, 256, 288, 288, 768, 768, 768, 768, 768, 1280, 2048),
        strict=True,
    )
)


def _convolutions():
    yield from _STEM
    for suffix, incoming in _INPUTS.items():
        block = f"Mixed_{suffix}"
        if block in _POOLS:
            branches = _a(_POOLS[block])
        elif block in _SEVENS:
            branches = _c(_SEVENS[block])
        else:
            branches = {"6a": _B, "7a": _D, "7b": _E, "7c": _E}[suffix]
        for name, inner, outgoing, height, width in branches:
            yield f"{block}.branch{name}", inner or incoming, outgoing, height, width


def random_weights(seed: int) -> dict[str, np.ndarray]:
    """Returns a state dictionary by torch-fidelity's names that keeps activations of size one."""
    random = np.random.RandomState(seed)
    # A pattern of prime length, repeated: 22 million draws of their own take a second or more.
    pattern = random.randn(99991)
    weights = {}
    for name, incoming, outgoing, height, width in _convolutions():
        shape = (outgoing, incoming, height, width)
        kernel = np.resize(np.roll(pattern, len(weights)), shape) * np.sqrt(2 / np.prod(shape[1:]))
        tensors = {
            "conv.weight": kernel,
            "bn.weight": random.uniform(0.8, 1.2, outgoing),
            "bn.bias": 0.1 * random.randn(outgoing),
            "bn.running_mean": 0.1 * random.randn(outgoing),
            "bn.running_var": random.uniform(0.8, 1.2, outgoing),
        }
        weights |= {f"{name}.{key}": value.astype(np.float32) for key, value in tensors.items()}
    weights["fc.weight"] = (0.02 * np.resize(pattern, (1008, 2048))).astype(np.float32)
    weights["fc.bias"] = np.zeros(1008, np.float32)
    return weights
