"""Draws a translated study of the phantom: source, synthetic, real and risk of two slices.

    python tools/study_picture.py PHANTOM/patient007 TRANSLATED PICTURE.png

PHANTOM is what make_phantom.py wrote, and not one of its Enhanced MR patients; TRANSLATED is what
`python -m tfcyclegan.translate --audit` made of its T2. The slices are those with the most lesion,
which is outlined on the real image.
"""

import pathlib
import sys

import nibabel
import numpy as np
import pydicom
from matplotlib.figure import Figure

from tfcyclegan.data import intensity, windows

ROWS = 2
INCHES = 1.55
DPI = 70
RISK_SHOWN = 0.5
"""Risk that is drawn brightest, unit range."""


def volume_of(folder: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns a series of axial images, lowest first: positions [S, 3] in mm, pixels [S, H, W]."""
    images = [pydicom.dcmread(path) for path in folder.glob("*.dcm")]
    images.sort(key=lambda image: float(image.ImagePositionPatient[2]))
    places = np.array([image.ImagePositionPatient for image in images], np.float64)
    return places, np.stack([image.pixel_array for image in images])


def panels(study: pathlib.Path, translated: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns title to float32 [S, H, W], unit range, all on the voxels of the source.

    Raises:
        ValueError: A series lies elsewhere than the source.
    """
    series_folders = {}
    for path in translated.glob("dicom/*/*"):
        header = pydicom.dcmread(next(path.glob("*.dcm")), stop_before_pixels=True)
        series_folders[header.SeriesDescription.split()[0]] = path
    folders = {
        "T2, source": study / "t2",
        "synthetic FLAIR": series_folders["SYNTHETIC"],
        "real FLAIR": study / "flair",
        "risk": series_folders["RISK"],
    }
    series = {title: volume_of(folder) for title, folder in folders.items()}
    source, _ = series["T2, source"]
    for title, (places, _) in series.items():
        if places.shape != source.shape or not np.allclose(places, source, atol=1e-3):
            raise ValueError(f"{title} does not lie where the source lies.")
    stored = ("synthetic FLAIR", "risk")
    return {
        title: intensity.stored_to_unit(pixels.astype(np.float32))
        if title in stored
        else _windowed(pixels.astype(np.float32))
        for title, (_, pixels) in series.items()
    }


def _windowed(volume: np.ndarray) -> np.ndarray:
    return intensity.scanner_to_unit(volume, windows.volume_window(volume))


def chosen(lesions: np.ndarray) -> list[int]:
    """Returns the slices with the most lesion, bool [S, H, W], lowest first."""
    load = lesions.sum(axis=(1, 2))
    return sorted(np.argsort(-load, kind="stable")[:ROWS].tolist())


def draw(volumes: dict[str, np.ndarray], lesions: np.ndarray) -> Figure:
    """Draws a row for each chosen slice; lesions are outlined on the real image."""
    size = (INCHES * len(volumes), INCHES * ROWS + 0.3)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    axes = figure.subplots(ROWS, len(volumes))
    for row, place in enumerate(chosen(lesions)):
        for axis, (title, volume) in zip(axes[row], volumes.items(), strict=True):
            high, colours = (RISK_SHOWN, "inferno") if title == "risk" else (1.0, "gray")
            axis.imshow(volume[place], cmap=colours, vmin=0.0, vmax=high)
            if title == "real FLAIR" and lesions[place].any():
                axis.contour(lesions[place], [0.5], colors="red", linewidths=0.5)
            axis.set_axis_off()
            if row == 0:
                axis.set_title(title, fontsize=9)
    return figure


def main(study: str, translated: str, picture: str) -> None:
    folder = pathlib.Path(study)
    mask = nibabel.load(folder.parent / "truth" / f"{folder.name}_lesions.nii.gz")
    lesions = np.asarray(mask.dataobj).transpose() > 0
    volumes = panels(folder, pathlib.Path(translated))
    draw(volumes, lesions).savefig(picture, dpi=DPI, metadata={"Software": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
