"""The cases of section F of the specification that can share one conversion, by their number."""

from bad_cases import (
    ENDLESS,
    EXPLICIT,
    JUNK,
    NAME,
    PATIENT_ID,
    collisions,
    conflict,
    constant,
    cut_in,
    directory,
    frames_that_are_not_there,
    gap,
    garbage_bits,
    issuers,
    links,
    lying_syntaxes,
    mixed_frames,
    mixed_matrices,
    mixed_orientations,
    odd_names,
    odd_texts,
    padding,
    repeated_positions,
    shuffled_frames,
    special_files,
    undefined_length,
    unextended_sign,
    varying_slope,
)
from bad_objects import (
    before,
    bomb,
    compressed,
    dataset_start,
    nested,
    nested_with_lengths,
    with_length,
)
from pydicom import uid as uids

CLASSES = {
    *("1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.11.1"),  # SR, PR
    *("1.2.840.10008.5.1.4.1.1.66", "1.2.840.10008.5.1.4.1.1.66.4"),  # raw data, SEG
    *("1.2.840.10008.5.1.4.1.1.88.59", "1.2.840.10008.5.1.4.1.1.104.1"),  # KO, PDF
    *("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4.2"),  # CT, spectroscopy
}
FOREIGN = {
    "notes.txt": b"PLANTED text",
    "photo.dcm": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(200),
    "report.pdf": b"%PDF-1.7\n" + b"PLANTED " * 40,
    ".DS_Store": b"\0\0\0\1Bud1" + bytes(200),
    "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(200),
}


def changed(reasons: str, *variants: dict):
    """Returns a row: the next slice of the series with each of some changes."""
    return lambda s: s.add(reasons, [s.slice(**variant) for variant in variants])


def garbage(syntax, *fragments: bytes):
    """Returns a row: a compressed slice whose fragments no decoder can read."""
    return lambda s: s.add(
        "decode_error|decoder_crash",
        [
            compressed(s.slice(8 + n, BitsStored=12, HighBit=11), syntax, [fragment])
            for n, fragment in enumerate(fragments)
        ],
    )


def other_series(reasons: str, *variants: dict):
    """Returns a row: whole series beside the good one, each with some changes."""

    def build(s):
        for number, variant in enumerate(variants):
            s.add(reasons, s.stack(series=f"other{number}", **variant))
        s.pixels_as_good = reasons != ""

    return build


TABLE = {
    1: lambda s: s.add("not_dicom", b""),
    2: lambda s: [s.add("not_dicom", content, name) for name, content in FOREIGN.items()],
    3: lambda s: s.add("no_dataset", bytes(128) + b"DICM"),
    4: lambda s: s.add("truncated", [cut_in(s.blob(), tag) for tag in (NAME, PATIENT_ID)]),
    5: lambda s: s.add("truncated", s.blob()[:-100]),
    6: lambda s: s.add("", s.slice(), after=lambda blob: blob + JUNK),
    7: lambda s: s.add("no_meta", [s.blob()[132:], s.blob()[dataset_start(s.blob()) :]]),
    8: changed("too_large", {"Rows": 60000, "Columns": 60000}),
    9: changed("bad_dims", {"Rows": 0}, {"Columns": 0}, {"Rows": None}),
    10: changed("bad_type", {"Rows": [40, 40]}),
    11: frames_that_are_not_there,
    12: changed("bad_type", {"NumberOfFrames": b"-3"}, {"NumberOfFrames": b"1.5"}),
    13: changed("bad_spacing", {"PixelSpacing": [4]}, {"PixelSpacing": [4, 4, 4]}),
    14: changed("bad_spacing", {"PixelSpacing": [0, 0]}, {"PixelSpacing": [4, 0]}),
    15: changed("bad_spacing", {"PixelSpacing": b"NaN\\NaN"}, {"PixelSpacing": b"4\\inf"}),
    16: changed("bad_spacing", {"PixelSpacing": b"4,0\\4,0"}),
    17: changed("unsure", {"EchoTime": b"PLANTED"}, {"RepetitionTime": b"6 s"}),
    18: changed("no_orientation", {"ImageOrientationPatient": None}),
    19: changed("no_position", {"ImagePositionPatient": None}),
    20: changed("bad_orientation", {"ImageOrientationPatient": [1, 0, 0, 0.7, 0.7, 0]},
                {"ImageOrientationPatient": [0] * 6}),
    21: mixed_orientations,
    22: mixed_matrices,
    23: lambda s: s.add("duplicate_exact", s.slice(4, fresh=False), b"last PLANTED copy"),
    24: conflict,
    25: repeated_positions,
    26: gap,
    27: lambda s: s.add("too_few_slices", s.stack(range(1), series="single")),
    28: changed("", {"PixelRepresentation": 1}),
    29: unextended_sign,
    30: garbage_bits,
    31: changed("high_bit", {"BitsStored": 12, "HighBit": 15}),
    32: changed("bad_bits", {"BitsAllocated": 12}, {"BitsStored": 20}),
    33: changed("mono1", {"PhotometricInterpretation": "MONOCHROME1"}),
    34: changed("not_grayscale", *({"PhotometricInterpretation": p} for p in
                ("RGB", "YBR_FULL", "PALETTE COLOR")), {"SamplesPerPixel": 3}),
    35: changed("burned_in", {"BurnedInAnnotation": "YES"}, {"ConversionType": "WSD"},
                {"SOPClassUID": uids.SecondaryCaptureImageStorage}),
    37: changed("no_pixels", {"PixelData": None}),
    38: changed("no_pixels", {"PixelData": b""}),
    39: undefined_length,
    40: changed("bad_rescale", {"RescaleSlope": b"0", "RescaleIntercept": b"0"}),
    41: changed("bad_rescale", {"RescaleSlope": b"NaN"}, {"RescaleIntercept": b"inf"}),
    42: varying_slope,
    43: constant,
    44: padding,
    45: lambda s: s.add("unsupported_ts", s.blob().replace(EXPLICIT, b"1.2.840.77.0.1.9.99\0")),
    46: lying_syntaxes,
    47: lambda s: s.add("", s.slice(), syntax=uids.ExplicitVRBigEndian),
    48: garbage(uids.JPEG2000Lossless, b"\xff\x4f\xff\x51" + JUNK, JUNK),
    49: garbage(uids.JPEGLosslessSV1, b"\xff\xd8\xff\xc3" + JUNK, JUNK),
    50: garbage(uids.JPEGLSLossless, b"\xff\xd8\xff\xf7" + JUNK, JUNK),
    51: garbage(uids.RLELossless, (2).to_bytes(4, "little") + JUNK, JUNK),
    52: garbage(uids.JPEG2000Lossless, b""),
    54: lambda s: s.add("bomb", bomb(s.blob(syntax=uids.DeflatedExplicitVRLittleEndian), 800)),
    55: lambda s: s.add("nesting", [before(s.blob(), NAME, nested(300)),
                                    before(s.blob(), NAME, nested_with_lengths(300))]),
    56: lambda s: s.add("nesting", [before(s.blob(), NAME, nested(20000)),
                                    before(s.blob(), NAME, nested_with_lengths(20000))]),
    57: lambda s: s.add("parse_error", before(s.blob(), NAME, ENDLESS)),
    58: lambda s: s.add("parse_error", [with_length(s.blob(), NAME, n) for n in (2, 600, 65534)]),
    60: odd_texts,
    61: changed("no_series_uid", {"SeriesInstanceUID": ""}, {"SeriesInstanceUID": None}),
    62: changed("patient_id_missing", {"PatientID": None}, {"PatientID": ""},
                {"PatientID": "ANONYMOUS"}),
    63: issuers,
    64: collisions,
    65: changed("not_mr_image", *({"SOPClassUID": name} for name in sorted(CLASSES))),
    66: shuffled_frames,
    67: mixed_frames,
    68: changed("mosaic", {"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}),
    69: lambda s: s.add("other_sequence", s.stack(EchoTime=12)),
    70: changed("dwi", {"ScanningSequence": ["SE", "EP"]}, {"DiffusionBValue": 1000.0},
                {"ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]}),
    71: changed("not_magnitude", *({"ImageType": ["ORIGINAL", "PRIMARY", kind]} for kind in
                ("P", "R", "I", "PHASE", "REAL", "IMAGINARY")), {"ComplexImageComponent": "PHASE"}),
    72: changed("derived", *({"ImageType": ["DERIVED", "PRIMARY", kind]} for kind in
                ("ADC", "MPR", "MIP", "FA", "OTHER")), {"ImageType": ["ORIGINAL", "SECONDARY"]}),
    73: other_series("other_sequence", *({"sequence": "flair", **echo} for echo in (
                {"EchoTime": 20, "RepetitionTime": 2000, "InversionTime": 800,
                 "SeriesDescription": "AX T1 FLAIR"},
                {"EchoTime": 70, "InversionTime": 150, "SeriesDescription": "STIR"}))),
    74: other_series("unsure", {"SeriesDescription": "AX FLAIR"},
                     {"sequence": "flair", "SeriesDescription": "AX T1 FLAIR"}),
    75: lambda s: s.add("lossy", compressed(s.slice(), uids.JPEGBaseline8Bit, [JUNK])),
    81: directory,
    82: special_files,
    83: links,
    85: odd_names,
    93: changed("", {"InstanceNumber": None, "WindowCenter": b"NaN", "WindowWidth": b"-1e999",
                     "SeriesNumber": b"99999999999999999999", "AcquisitionNumber": b"-99999999999",
                     "LargestImagePixelValue": b"\xff\xff\xff\xff", "FlipAngle": b"inf"}),
}  # fmt: skip
"""Number in section F to what builds the case."""
