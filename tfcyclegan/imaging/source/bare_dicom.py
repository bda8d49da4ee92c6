"""Data sets without preamble or meta information, which old archives hold; read if asked for.

Such a file does not say how it is encoded (PS3.10, 7.1, demands that it does), so its first two
elements must leave no doubt, and its pixels are taken to be uncompressed.
"""

import struct

_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
"""Transfer syntaxes: implicit and explicit VR, little endian (PS3.5, A.1 and A.2)."""
_VRS = {b"CS", b"DA", b"LO", b"OB", b"PN", b"SH", b"TM", b"UI", b"UL", b"US"}
"""Of the first elements of groups 2 and 8."""
_LONGEST = 256
"""Longest value of a first element, in bytes."""
_PREAMBLE = bytes(128) + b"DICM"


def syntax_of(head: bytes) -> str:
    """Tells how a data set that begins with `head` is encoded, from its first two elements.

    Args:
        head: The first bytes of a file, 132 suffice.

    Returns:
        "meta" for meta information without a preamble, the UID of explicit or implicit little
        endian for a data set, or an empty string for anything else.
    """
    for explicit in (True, False):
        first = _element(head, 0, explicit)
        if first is None or first[0] not in (2, 8) or (first[0] == 2 and not explicit):
            continue
        second = _element(head, first[2], explicit)
        # The second element lies beyond `head` where the first is long.
        if first[2] + 8 <= len(head) and (second is None or second[:2] <= first[:2]):
            continue
        if first[0] == 2:
            return "meta"
        return _EXPLICIT if explicit else _IMPLICIT
    return ""


def _element(head: bytes, at: int, explicit: bool) -> tuple[int, int, int] | None:
    """Returns (group, element, offset of the next), or None if no plausible element starts here."""
    if at + 8 > len(head):
        return None
    group, element, vr, length = struct.unpack_from("<HH2sH", head, at)
    end = at + 8 + length
    if explicit and vr == b"OB" and at + 12 <= len(head):
        length = struct.unpack_from("<L", head, at + 8)[0]
        end = at + 12 + length
    if not explicit:
        length = struct.unpack_from("<L", head, at + 4)[0]
        end = at + 8 + length
    plausible = group in (2, 8) and length <= _LONGEST and length % 2 == 0
    return (group, element, end) if plausible and (not explicit or vr in _VRS) else None


def completed(blob: bytes) -> bytes:
    """Returns the file with the preamble and the meta information that it lacks, or unchanged."""
    data_set = blob[len(_PREAMBLE) :] if blob[128:132] == b"DICM" else blob
    syntax = syntax_of(data_set[: len(_PREAMBLE)])
    if syntax in ("", "meta"):
        return _PREAMBLE + data_set if syntax else blob
    value = syntax.encode("ascii") + b"\0" * (len(syntax) % 2)
    element = struct.pack("<HH2sH", 2, 0x10, b"UI", len(value)) + value
    return _PREAMBLE + struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(element)) + element + data_set
