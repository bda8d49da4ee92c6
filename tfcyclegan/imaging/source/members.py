"""What an archive holds, as places to read from: no name of a member goes any further than here.

Archives are never unpacked: a member is read where it lies, so that names such as `../x`, absolute
paths and links lead nowhere (spec/ingestion.md, B14 and D9).
"""

import dataclasses

LARGEST_RATIO = 200
"""Largest quotient of unpacked and packed bytes; deflate can reach 1032."""
RATIO_FROM = 1 << 20
"""Unpacked bytes from which on the ratio counts: an empty slice packs well and harms nobody."""
MOST_MEMBERS = 1_000_000
"""Members of one archive."""


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Member:
    """Where a member's bytes are.

    Attributes:
        kind: "zip", "tar" or "tgz".
        offset: Of the local header (zip), or of the bytes in the unpacked stream (tar, tgz).
        size: Unpacked bytes.
        packed: Bytes in the archive (zip).
        deflated: Whether those are deflated (zip).
        crc: CRC-32 of the unpacked bytes (zip).
    """

    kind: str
    offset: int
    size: int
    packed: int = 0
    deflated: bool = False
    crc: int = 0

    def __repr__(self) -> str:
        return "Member(not shown)"


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Listed:
    """One entry of an archive.

    Attributes:
        name: Raw bytes, to be keyed and forgotten; empty for the archive itself.
        member: Where it is, or None if it must not be read.
        refused: Code of privacy.reasons if it must not be read, or empty.
    """

    name: bytes
    member: Member | None
    refused: str = ""

    def __repr__(self) -> str:
        return "Listed(not shown)"


def expands_too_far(size: int, packed: int) -> bool:
    """Tells whether `packed` bytes that become `size` bytes are a bomb."""
    return size >= RATIO_FROM and size > LARGEST_RATIO * packed
