"""The page of a translated volume: all slices of a small one, marked ones of a large one."""

import json
import re

import numpy as np

from tfcyclegan.translation.model import Model
from tfcyclegan.translation.page import Gallery
from tfcyclegan.translation.passes import Made
from tfcyclegan.translation.volume_report import Report

KEY = "0123456789abcdef" * 2
DESCRIBED = {"domain_a": "t2", "domain_b": "flair", "image_size": 8, "epochs": 1}
MODEL = Model("b_to_a", "flair", "t2", 8, "a" * 32, None, None, DESCRIBED)


def page_of(path, slices: int, size: int, marks: dict[int, str]) -> dict:
    """What the page's viewer is given."""
    gallery = Gallery(slices, size, audit=True)
    for place in range(slices):
        image = np.full((size, size), place / slices, np.float32)
        gallery.add(place, Made(image, image, image, 0.5), marks.get(place, ""))
    told = Report(KEY, (), slices, 0.03, 0.02, (0.5,) * slices, tuple(marks))
    gallery.write(path, MODEL, told)
    (viewer,) = re.findall(r'id="viewer-data">(.*?)</script>', path.read_text())
    return json.loads(viewer)["volumes"][0]


def test_a_small_volume_is_shown_whole(tmp_path):
    shown = page_of(tmp_path / "new" / "page.html", 6, 8, {4: "Risk 0.9"})
    assert shown["slices"] == 6 and shown["marks"] == {"4": "Risk 0.9"}
    assert [layer["heading"] for layer in shown["layers"]] == [
        "Source FLAIR",
        "Synthetic T2",
        "Risk",
    ]
    assert shown["name"].startswith(KEY[:8])


def test_the_real_slice_is_shown_between_synthetic_and_risk(tmp_path):
    """Records are stored in 256 pixels; the page has those of the model, which average them."""
    reals = [np.full((256, 256), 1000 * place, np.uint16) for place in range(5)]
    reals[3][:128] = 65535
    gallery = Gallery(5, 16, audit=True, reals=reals)
    image = np.zeros((16, 16), np.float32)
    for place in range(5):
        gallery.add(place, Made(image, image, image, 0.5), "")
    assert gallery._labels == ["source", "synthetic", "real", "risk"]
    shown = gallery._kept[3][2]
    np.testing.assert_allclose(shown[:8], 1.0, atol=1e-6)
    np.testing.assert_allclose(shown[8:], 3000 / 65535, atol=1e-6)
    gallery.write(tmp_path / "page.html", MODEL, Report(KEY, (), 5, 0.03, 0.02, (0.5,) * 5))
    page = (tmp_path / "page.html").read_text()
    assert "Real T2" in page and "Against the real slices" in page and "Error" in page


def test_of_a_large_volume_marked_slices_are_kept_and_memory_is_not(tmp_path):
    gallery = Gallery(4000, 512, audit=True)
    image = np.zeros((512, 512), np.float32)
    for place in range(4000):
        gallery.add(place, Made(image, image, image), "Risk" if place == 1234 else "")
    assert len(gallery._kept) <= 28 and 1234 in gallery._kept
