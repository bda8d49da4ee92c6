"""Unpaired translation between MRI sequences, from DICOM export to served model."""

import os

__version__ = "0.1.0"

# TensorFlow's native code reports its build at start-up; its errors are still shown.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
    raise ImportError(
        "tfcyclegan trains with TensorFlow: expected KERAS_BACKEND=tensorflow or unset. Received:"
        f" KERAS_BACKEND={os.environ['KERAS_BACKEND']}."
    )
