"""report.html in headless Chromium, from a file: slices, window, keys, and a silent console."""

import base64

import browser
import cv2
import numpy as np
import pytest
from report_pages import MARKUP, SIDE, SLICES, volumes, write

pytestmark = pytest.mark.skipif(
    not (browser.BROWSER and browser.DRIVER), reason=f"report.html: {browser.MISSING}"
)

LEFT, RIGHT, UP, END, PAGE_DOWN, SHIFT = "\ue012", "\ue014", "\ue013", "\ue010", "\ue00f", "\ue008"
PIXELS = """
const canvas = document.querySelector('.frame [data-kind="' + arguments[0] + '"]');
const canvasCopy = new OffscreenCanvas(canvas.width, canvas.height);
const copy = canvasCopy.getContext("2d", {willReadFrequently: true});
copy.drawImage(canvas, 0, 0);
return Array.from(copy.getImageData(0, 0, canvas.width, canvas.height).data);
"""


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("report") / "report.html")
    with browser.browser("--window-size=1200,900") as window:
        window.open(path.as_uri())
        yield window
        assert window.console() == []


@pytest.fixture(autouse=True)
def fresh(window):
    """The first volume in its middle slice, window over the whole range."""
    window.open(window.run("return location.href"))
    window.wait("document.getElementById('viewer').dataset.ready")


def shown(window, kind: str) -> np.ndarray:
    """RGB of a canvas, int [H, W, 3]."""
    return np.array(window.run(PIXELS, kind)).reshape(SIDE, SIDE, 4)[..., :3]


def grey(values: np.ndarray, width: float = 1.0, level: float = 0.5) -> np.ndarray:
    return np.clip(255 * ((values - level) / width + 0.5), 0, 255)


def slice_of(volume: int, layer: str, row: int) -> np.ndarray:
    return volumes()[volume].layers[layer][row]


def test_the_middle_slice_is_drawn_exactly(window):
    window.run("document.getElementById('outline').click()")
    for kind in ("source", "synthetic", "real"):
        expected = grey(slice_of(0, kind, SLICES // 2))
        assert np.abs(shown(window, kind)[..., 0] - expected).max() < 1
    error = shown(window, "error")
    assert (error[:, -1, 2] > error[:, -1, 0] + 50).all()  # synthetic is darker: blue


def test_the_lesion_is_outlined(window):
    green = (shown(window, "real") == [80, 230, 120]).all(axis=-1)
    around = np.zeros((SIDE, SIDE), bool)
    around[9:21, 9:21] = True
    around[10:20, 10:20] = False
    around[[9, 9, 20, 20], [9, 20, 9, 20]] = False
    assert (green == around).all()


def test_the_slider_moves_the_slice(window):
    window.run(
        "const s = document.getElementById('slice'); s.value = 5;"
        "s.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    assert np.abs(shown(window, "real")[..., 0] - grey(slice_of(0, "real", 4))).max() < 1
    assert window.run("return document.getElementById('slice-text').textContent") == "5 of 5"


def test_arrow_keys_move_the_slice_with_nothing_focused(window):
    window.keys(RIGHT)
    assert np.abs(shown(window, "real")[..., 0] - grey(slice_of(0, "real", 3))).max() < 1
    assert "risk above the limit" in window.run(
        "return document.getElementById('mark').textContent"
    )
    window.keys(LEFT)
    window.keys(LEFT)
    assert np.abs(shown(window, "real")[..., 0] - grey(slice_of(0, "real", 1))).max() < 1
    window.keys(END)
    window.keys(RIGHT)
    assert window.run("return document.getElementById('slice').value") == str(SLICES)


def test_dragging_changes_window_and_level_and_r_resets_them(window):
    before = shown(window, "source")
    window.drag('.frame [data-kind="source"]', -60, 40)
    after = shown(window, "source")
    text = window.run("return document.getElementById('window-text').textContent")
    width, level = (float(word.strip(",")) for word in (text.split()[1], text.split()[3]))
    assert width < 0.9 and level < 0.45
    inside = slice_of(0, "source", SLICES // 2)
    kept = (after != [80, 230, 120]).any(axis=-1)
    error = np.abs(after[..., 0] - grey(inside, width, level))[kept]
    assert error.max() < 255 * 0.01 / width + 1  # the text has two decimals
    window.keys("r")
    assert (shown(window, "source") == before).all()


def test_dragging_on_the_error_map_changes_its_range_alone(window):
    error, real = shown(window, "error"), shown(window, "real")
    window.drag('.frame [data-kind="error"]', 0, -60)
    assert (shown(window, "error") != error).any() and (shown(window, "real") == real).all()


def test_shift_and_arrows_change_the_window(window):
    window.keys(SHIFT, UP)
    expected = grey(slice_of(0, "source", SLICES // 2), 1.0, 0.55)
    kept = (shown(window, "source") != [80, 230, 120]).any(axis=-1)
    assert np.abs(shown(window, "source")[..., 0] - expected)[kept].max() < 1


def test_another_volume_and_direction_can_be_chosen(window):
    window.keys(PAGE_DOWN)
    window.wait("document.getElementById('viewer').dataset.ready === '2'")
    heads = "return [...document.querySelectorAll('#panels figcaption')].map(e => e.textContent)"
    assert window.run(heads) == ["Source T2", MARKUP.strip()]
    window.run(
        "const d = document.getElementById('direction'); d.selectedIndex = 1;"
        "d.dispatchEvent(new Event('change'))"
    )
    window.wait("document.getElementById('viewer').dataset.ready === '3'")
    assert window.run(heads)[:3] == ["Source FLAIR", "Synthetic T2", "Real T2"]
    assert np.abs(shown(window, "real")[..., 0] - grey(slice_of(1, "real", SLICES // 2))).max() < 1


def test_every_canvas_and_control_has_a_name(window):
    unnamed = window.run(
        "return [...document.querySelectorAll('.frame canvas, input, select, button, img')]"
        ".filter(e => !(e.ariaLabel || e.alt || e.textContent.trim() || e.labels?.length)).length"
    )
    assert unnamed == 0
    label = window.run("return document.querySelector('[data-kind=source]').ariaLabel")
    assert label == "Source T2, slice 3 of 5"


def test_markup_did_not_run(window):
    assert window.run("return document.querySelectorAll('img[src=x]').length") == 0
    assert window.run("return document.title").startswith(MARKUP[:20])


def test_dark_and_light_differ(window):
    def brightness() -> float:
        data = np.frombuffer(base64.b64decode(window.screenshot()), np.uint8)
        return float(np.median(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)))

    light = brightness()
    window.run("document.getElementById('theme').click()")
    assert light > 200 > 60 > brightness()


def test_the_page_is_not_wider_than_a_phone(window):
    window.run("document.body.style.width = '380px'")
    assert window.run("return document.getElementById('viewer').scrollWidth") <= 380
