"""Volumes that a table names: the other way in, beside dicom, to the same frames."""
