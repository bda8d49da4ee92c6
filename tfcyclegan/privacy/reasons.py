"""The closed vocabulary of what can be said about an input: why it was not converted.

Error texts of libraries quote the data they stumble over, so none is ever passed on. Whatever goes
wrong with an input becomes one of these codes, and the codes are all that reports and logs hold.
"""

SKIPPED = {
    "not_dicom": "The file does not start with a DICOM preamble.",
    "not_regular": "A FIFO, socket or device; opening it could block for ever.",
    "symlink": "A symbolic link; what lies inside the input is reached without it.",
    "repeated_input": "The same file was named twice by --input.",
    "not_mr_image": "The SOP class is not MR, Enhanced MR or Legacy Converted Enhanced MR.",
    "localizer": "ImageType or description says localizer, scout or survey.",
    "mosaic": "A Siemens mosaic: one image tiles a whole volume.",
    "derived": "ImageType DERIVED or SECONDARY, or a map, projection or reformat.",
    "not_magnitude": "Phase, real or imaginary images.",
    "dwi": "Diffusion-weighted or echo-planar.",
    "other_sequence": "A sequence that --keep_sequences does not name.",
    "unsure": "Physics and text disagree, or not enough is known; see series.csv.",
    "user_skip": "--mapping says skip.",
    "post_contrast": "After a contrast agent, and --exclude_post_contrast.",
    "other_plane": "Acquired in another plane than --plane, and not reformatted.",
    "too_few_slices": "Fewer than five slices: not a volume.",
    "low_foreground": "Less foreground than --min_foreground.",
    "outside_slices": "Lower or higher in the volume than --slices.",
    "below_brain": "More face than brain, and --brain_only.",
    "high_risk": "The risk of its translation is above --max_risk, and --abstain.",
    "duplicate_exact": "The same SOP instance with the same pixels was read already.",
}
"""Codes of inputs that are intact but not wanted."""

QUARANTINED = {
    "io_error": "The file could not be opened or read.",
    "changed_during_read": "The file changed between the two passes over it.",
    "no_dataset": "Nothing follows the DICOM preamble.",
    "no_meta": "Preamble, meta information or transfer syntax is missing; see --force.",
    "parse_error": "The data set could not be parsed.",
    "truncated": "The file ends before the data set does.",
    "nesting": "Sequences are nested too deep.",
    "bomb": "A compressed data set or archive expands beyond all measure.",
    "archive_error": "The archive, or a member of it, is damaged, cut, encrypted or unknown.",
    "nested_archive": "An archive within an archive; unpack the outer one.",
    "unsafe_member": "A link, device, FIFO or sparse file within an archive.",
    "too_large": "Rows, Columns, NumberOfFrames or the file exceed the limits.",
    "unsupported_ts": "The transfer syntax is private or retired.",
    "lossy": "Lossy JPEG: its artefacts would be learnt.",
    "bad_type": "A number has the wrong type, multiplicity or sign, or voxels are no numbers.",
    "bad_dims": "A side of the image is zero or missing.",
    "bad_bits": "BitsAllocated is not 8, 16 or 32, or BitsStored does not fit into it.",
    "high_bit": "HighBit is not BitsStored - 1.",
    "bad_spacing": "PixelSpacing is not two positive finite numbers, or not in mm.",
    "bad_rescale": "RescaleSlope is zero, or slope or intercept is not finite.",
    "no_orientation": "ImageOrientationPatient is missing, or sform and qform of a NIfTI.",
    "bad_orientation": "The axes are not perpendicular, or sform and qform of a NIfTI disagree.",
    "no_position": "ImagePositionPatient is missing or not three finite numbers.",
    "not_grayscale": "The images have colour.",
    "mono1": "MONOCHROME1, and --monochrome1=refuse.",
    "burned_in": "BurnedInAnnotation is YES, or it is a secondary capture.",
    "burned_in_suspect": "The pixels look as if text was drawn into them; see --text_guard.",
    "no_pixels": "There is no pixel data.",
    "size_mismatch": "Pixels or functional groups do not fit Rows, Columns and NumberOfFrames.",
    "no_series_uid": "SOPInstanceUID, SeriesInstanceUID or StudyInstanceUID is missing.",
    "patient_id_missing": "PatientID is empty or a placeholder, so patients cannot be kept apart.",
    "uid_collision": "Two patients, studies or classes share a series or a NIfTI image.",
    "not_nifti": "The file is not one NIfTI-1 or NIfTI-2 file (.nii, .nii.gz).",
    "not_3d": "The NIfTI image has a fourth dimension.",
    "mask_mismatch": "The voxels of a mask are not those of its image.",
    "duplicate_conflict": "The same SOP instance was read with other pixels.",
    "duplicate_position": "A lone extra slice at the position of another.",
    "decode_error": "The compressed pixels could not be decoded.",
    "decoder_crash": "The decoder ended its process.",
    "timeout": "Reading took longer than allowed.",
    "memory": "Reading needed more memory than allowed.",
    "not_finite": "The pixels hold infinities or NaN.",
    "empty_volume": "The volume is constant, so it has no window.",
    "gap": "Slices are missing or unevenly spaced where all are needed.",
    "internal": "A fault of the converter; quarantine.jsonl names class and code line.",
}
"""Codes of inputs that are damaged, contradictory or unsafe: they make the exit code 4."""

ALL = {**SKIPPED, **QUARANTINED}


class Refusal(Exception):
    """An input is not converted; carries a code of `ALL` and never a value that was read.

    Args:
        reason: The code.
        series: Pseudonym of the series concerned, where it is known.
    """

    def __init__(self, reason: str, series: str = ""):
        if reason not in ALL:
            raise ValueError("A refusal carries a code of privacy.reasons.ALL.")
        super().__init__(reason)
        self.reason = reason
        self.series = series

    def __reduce__(self):
        return (Refusal, (self.reason, self.series))
