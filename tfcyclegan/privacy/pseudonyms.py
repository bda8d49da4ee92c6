"""Keyed pseudonyms: the only way from an identifier that was read to one that is written.

An unkeyed digest is no pseudonym, since all seven-digit record numbers can be hashed in seconds;
HMAC-SHA256 (RFC 2104) under a secret key is one for whoever lacks the key.
"""

import hashlib
import hmac
import os
import pathlib
import stat

from tfcyclegan.errors import ExitCode, UserError

KEY_BYTES = 32
"""Shortest accepted key."""
MODE = 0o600


class Pseudonyms:
    """Maps identifiers to 32 lower-case hex digits, the same under the same key.

    Args:
        key: At least `KEY_BYTES` random bytes.
    """

    def __init__(self, key: bytes):
        if len(key) < KEY_BYTES:
            raise ValueError(f"A key holds at least {KEY_BYTES} bytes. Received: {len(key)}.")
        self._key = key

    def __repr__(self) -> str:
        return "Pseudonyms(key not shown)"

    @property
    def key_id(self) -> str:
        """Eight hex digits that tell keys apart and give nothing of them away."""
        return self._digest(b"kid").hexdigest()[:8]

    def of(self, domain: str, value: bytes, issuer: bytes = b"") -> str:
        """Returns the pseudonym of `value` within `domain`, 128 bits as 32 hex digits.

        Args:
            domain: Such as "patient" or "series": equal values of two domains differ.
            value: Raw bytes as stored; trailing NUL and space are padding (PS3.5, 6.2).
            issuer: IssuerOfPatientID, because two hospitals number alike.
        """
        parts = (b"tfcg1", domain.encode("ascii"), _unpadded(issuer), _unpadded(value))
        return self._digest(b"|".join(parts)).hexdigest()[:32]

    def of_content(self, *parts: bytes | memoryview) -> str:
        """Returns a keyed digest of bytes, in one part or several: equal bytes, equal digest."""
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        return self._digest(b"content|" + digest.digest()).hexdigest()[:32]

    def share(self, patient: str) -> float:
        """Returns a number in [0, 1) that depends on key and patient only."""
        digest = self._digest(b"split|" + patient.encode("ascii")).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def _digest(self, message: bytes) -> hmac.HMAC:
        return hmac.new(self._key, message, hashlib.sha256)


def _unpadded(value: bytes) -> bytes:
    return value.rstrip(b"\0 ")


def split_of(share: float, splits: tuple[tuple[str, float], ...]) -> str:
    """Returns the split that a share of [0, 1) falls into; later patients never move earlier ones.

    Args:
        share: From `Pseudonyms.share`.
        splits: (name, fraction) in order; the fractions add up to 1.
    """
    upper = 0.0
    for name, fraction in splits:
        upper += fraction
        if share < upper:
            return name
    # Only rounding of the sum can lead here; a split of fraction 0 must not catch it.
    return next(name for name, fraction in reversed(splits) if fraction > 0)


def read_key(path: pathlib.Path) -> bytes:
    """Reads a key file.

    Raises:
        UserError: The file is unreadable, too short, or open to others than its owner. The message
            names the flag, since a path may hold identifiers.
    """
    try:
        status = path.stat()
        key = path.read_bytes()
    except OSError as error:
        raise UserError(
            "--key_file cannot be read. Name a file that you own and can read.", ExitCode.USAGE
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise UserError("--key_file must be a regular file.", ExitCode.USAGE)
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise UserError(
            "--key_file must be readable by its owner only: expected mode 0600. Received:"
            f" {stat.S_IMODE(status.st_mode):04o}. Run chmod 600 on it, and if others could read"
            " it, make a new key.",
            ExitCode.USAGE,
        )
    if len(key) < KEY_BYTES:
        raise UserError(
            f"--key_file must hold at least {KEY_BYTES} random bytes. Received: {len(key)}."
            " Name a file that does not exist to have one made.",
            ExitCode.USAGE,
        )
    return key


def make_key(path: pathlib.Path) -> bytes:
    """Writes a new random key with mode 0600 and returns it; never replaces a file."""
    key = os.urandom(KEY_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    except OSError as error:
        raise UserError(
            "--key_file does not exist and cannot be made there. Name a file in a directory that"
            " exists and that you can write to.",
            ExitCode.USAGE,
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        os.fchmod(descriptor, MODE)
    return key
