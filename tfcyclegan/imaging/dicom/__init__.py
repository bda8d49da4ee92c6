"""From DICOM files to volumes in scanner units; the only package that knows the format."""
