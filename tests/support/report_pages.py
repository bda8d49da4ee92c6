"""Pages of report.html for tests, with markup in every text that could carry it."""

import pathlib

import numpy as np

from tfcyclegan.evaluation import report

MARKUP = "</script></title><img src=x onerror=alert(1)><script>alert(2)</script>\"'&\u2028"
SLICES, SIDE = 5, 32
PATIENT = "0123456789abcdef" * 2


def metrics() -> dict:
    """Numbers of unlike sizes, so that no rounding hides another number's place."""
    return {
        "notice": "Research only, not for diagnosis.",
        "warnings": ["Only two patients.", MARKUP],
        "model": {"domain_a": "t2", "domain_b": "flair", "epochs": 7, MARKUP: MARKUP},
        "split": "test",
        "n_patients": 2,
        "n_pairs": 31,
        "seconds": 71.3125,
        MARKUP: {"a/b~c": [1.5, None, True, MARKUP]},
        "self_consistency": {
            "cycle_ssim": {"value": 0.912345, "ci": [0.9, 0.93]},
            "notes": [{"patient": "aa", "distance": 0.0123456}, {"patient": MARKUP}],
        },
        "directions": {"a_to_b": _direction(0.0), "b_to_a": _direction(1.0)},
    }


def _direction(more: float) -> dict:
    psnr = {"value": 16.6789 + more, "ci": [15.9012, 17.4567], "n_patients": 2}
    return {
        "model": {
            "psnr_volume": psnr,
            "ssim": {"value": 0.57114, "ci": None, "reason": MARKUP, "n_slices": 31},
            "fd_randconv_v1": {"value": 1.23456e-5, "n_slices": 31},
            "lesion_dice": {"value": None, "ci": None, "reason": "no lesion masks"},
            "ssim_lesion": {"value": None, "ci": None, "reason": "no lesion masks"},
        },
        "copy_source": {
            "psnr_volume": psnr | {"value": 15.2718, "ci": [14.25, 16.29]},
            "ssim": {"value": 0.60881, "ci": [0.5894, 0.6281], "n_slices": 31},
            MARKUP: {"value": 123456.789, "ci": [-1.0, 2.5]},
        },
        "blurred_target": {"psnr_volume": {"value": 30.5, "ci": [29.0, 31.0], "n_patients": 2}},
    }


def volumes() -> list[report.Volume]:
    """Two volumes; grey levels are a ramp over columns, brighter with every slice."""
    ramp = np.linspace(0, 0.5, SIDE, dtype=np.float32)
    real = np.broadcast_to(ramp, (SLICES, SIDE, SIDE)) + np.float32(0.1) * np.arange(
        SLICES, dtype=np.float32
    ).reshape(-1, 1, 1)
    lesion = np.zeros_like(real)
    lesion[2, 10:20, 10:20] = 1
    layers = {"source": 1 - real, "synthetic": real * np.float32(0.5), "real": real}
    back = {"source": real, "synthetic": 1 - real, "real": 1 - real}
    return [
        report.Volume(PATIENT, layers | {"lesion": lesion}, "a_to_b", {3: "risk above the limit"}),
        report.Volume(PATIENT, back, "b_to_a"),
        report.Volume(MARKUP, {"source": real, MARKUP: real}, "a_to_b", {0: MARKUP}),
    ]


def write(path: pathlib.Path, **changes) -> pathlib.Path:
    """Writes a page with everything in it."""
    dot = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'
    report.write(path, metrics() | changes, volumes(), plots={MARKUP: dot}, title=MARKUP)
    return path
