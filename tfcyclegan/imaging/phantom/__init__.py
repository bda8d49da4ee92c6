"""A simulated head: anatomy as tissue fractions, and the images that scanners would make of it.

Way of the data: `anatomy.Traits` (who) -> `head.simulate` (tissue fractions and truth masks)
-> `scanner.scan` (T2 and FLAIR by the signal equations) -> `studies` (DICOM and NIfTI).

Axes of every volume are [slice, row, column]: slices run to the head, rows to posterior, columns
to the patient's left, so a slice is seen as radiologists see it, nose up and left on the right.
"""
