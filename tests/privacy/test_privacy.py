"""Pseudonyms against openssl, keys against carelessness, the guard against its own writer."""

import os
import pickle
import stat

import numpy as np
import pytest

from tfcyclegan.data import record_bytes, records
from tfcyclegan.errors import UserError
from tfcyclegan.privacy import guard, hygiene, pseudonyms, reasons
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.privacy.pseudonyms import Pseudonyms, split_of
from tfcyclegan.privacy.reasons import Refusal

KEY = Pseudonyms(bytes(range(32)))
SPLITS = (("train", 0.8), ("val", 0.1), ("test", 0.1))


def test_pseudonyms_are_openssls_hmac():
    """printf 'tfcg1|patient|Hospital A|123456' | openssl dgst -sha256 -mac HMAC -macopt hexkey:K"""
    assert KEY.of("patient", b"123456", b"Hospital A") == "e95791d3203e4acfa1c4642a94c6e987"
    assert KEY.of("series", b"1.2.3\0") == "72d58bae052d220e64f42b69735f4b4b"
    assert KEY.key_id == "933007a5"
    assert KEY.share("0" * 32) == 0x25F616256F2A683F / 2**64


def test_padding_does_not_change_a_pseudonym_but_everything_else_does():
    plain = KEY.of("patient", b"123456")
    assert plain == KEY.of("patient", b"123456 \0") == KEY.of("patient", b"123456", b" ")
    others = [
        KEY.of("study", b"123456"),
        KEY.of("patient", b"123456", b"A"),
        KEY.of("patient", b"0123456"),
        Pseudonyms(bytes(32)).of("patient", b"123456"),
    ]
    assert len({plain, *others}) == 5


def test_a_key_is_not_shown():
    assert repr(KEY) == "Pseudonyms(key not shown)"
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Pseudonyms(bytes(31))


def test_a_new_key_is_random_private_and_never_replaced(tmp_path):
    first = pseudonyms.make_key(tmp_path / "a")
    assert len(first) == 32 and first != pseudonyms.make_key(tmp_path / "b")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert pseudonyms.read_key(tmp_path / "a") == first
    with pytest.raises(UserError, match="cannot be made there"):
        pseudonyms.make_key(tmp_path / "a")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path, mode):
    path = tmp_path / "secret name"
    path.write_bytes(bytes(32))
    path.chmod(mode)
    with pytest.raises(UserError, match=f"mode 0600. Received: {mode:04o}") as caught:
        pseudonyms.read_key(path)
    assert caught.value.exit_code == 2 and "secret name" not in str(caught.value)


def test_a_short_key_is_refused(tmp_path):
    path = tmp_path / "k"
    path.write_bytes(bytes(16))
    path.chmod(0o600)
    with pytest.raises(UserError, match="at least 32 random bytes. Received: 16"):
        pseudonyms.read_key(path)


def test_splits_have_their_shares_and_never_move_a_patient():
    patients = [KEY.of("patient", str(n).encode()) for n in range(10_000)]
    homes = [split_of(KEY.share(patient), SPLITS) for patient in patients]
    for name, share in SPLITS:
        assert abs(homes.count(name) / 10_000 - share) < 0.01
    # Another share of validation takes patients from its neighbours and leaves the rest.
    wider = [
        split_of(KEY.share(p), (("train", 0.8), ("val", 0.15), ("test", 0.05))) for p in patients
    ]
    assert all(new == old for new, old in zip(wider, homes, strict=True) if old != "test")


def test_a_split_without_a_share_gets_nobody():
    assert split_of(1 - 2**-53, (("train", 1.0), ("test", 0.0))) == "train"
    thirds = (("train", 1 / 3), ("val", 1 / 3), ("test", 1 / 3))
    assert split_of(1 - 2**-53, thirds) == "test"


def test_reasons_are_closed_and_explained():
    assert not set(reasons.SKIPPED) & set(reasons.QUARANTINED)
    assert all(guard.TOKEN.fullmatch(code) and about for code, about in reasons.ALL.items())
    with pytest.raises(ValueError, match="carries a code"):
        Refusal("file /data/DOE^JOHN is bad")
    copy = pickle.loads(pickle.dumps(Refusal("truncated", "ab")))
    assert (copy.reason, copy.series) == ("truncated", "ab")


def raises(error):
    raise error


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (Refusal("truncated", "ab"), Fault("truncated", series="ab")),
        (ValueError("DOE^JOHN"), Fault("parse_error", "ValueError")),
        (MemoryError("DOE^JOHN"), Fault("memory", "MemoryError")),
        (RecursionError("DOE^JOHN"), Fault("nesting", "RecursionError")),
        (__import__("struct").error("DOE^JOHN"), Fault("parse_error", "struct.error")),
    ],
)
def test_a_fault_tells_nothing_of_what_was_read(error, fault):
    found = hygiene.isolated(raises, error, reason="parse_error")
    # `raises` lies outside the package, so the only location inside it is the isolation itself.
    assert (found.reason, found.error, found.series) == (fault.reason, fault.error, fault.series)
    assert "DOE" not in repr(found)
    assert not found.location or found.location.startswith("privacy/hygiene:")


def test_a_fault_names_the_line_it_came_from():
    found = hygiene.isolated(Pseudonyms, b"short")
    assert found.error == "ValueError" and found.location.startswith("privacy/pseudonyms:")
    guard.check_row({"error": found.error, "location": found.location}, ())


def test_interrupts_are_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        hygiene.isolated(raises, KeyboardInterrupt())


def test_native_messages_are_silenced_and_the_stream_comes_back(capfd):
    with hygiene.silent_stderr():
        os.write(2, b"DOE^JOHN")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def example(**changes):
    """A finished record as it is read back, with some features replaced."""
    import tensorflow as tf

    record = {
        name: "t2" if field.allowed == records.SEQUENCES else _any(field)
        for name, field in records.FIELDS.items()
    }
    record |= {"image/data": np.zeros((256, 256), np.uint16)}
    record |= {"mask/lesion": np.ones((256, 256), bool), "mask/brain": None, "mask/ventricle": None}
    made = tf.train.Example.FromString(record_bytes.serialize(record))
    for name, feature in changes.items():
        made.features.feature[name].CopyFrom(feature)
    return made


def _any(field):
    if field.kind != "bytes":
        return [1] * field.length
    if isinstance(field.allowed, tuple):
        return field.allowed[0]
    values = ("0" * 32, "0" * 8, "0.1.0")
    return next((v for v in values if field.allowed and field.allowed.fullmatch(v)), "")


def test_the_guard_passes_a_clean_record():
    guard.check_example(example(), records.FIELDS)


def test_the_guard_refuses_what_a_changed_writer_might_add():
    import tensorflow as tf

    text = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"DOE^JOHN"]))
    number = tf.train.Feature(int64_list=tf.train.Int64List(value=[20240131]))
    for name, feature in [
        ("patient/name", text),
        ("image/data", text),
        ("mask/lesion", text),
        ("mask/brain", text),
        ("mask/ventricle", text),
        ("id/patient", text),
        ("series/class", text),
        ("mr/manufacturer", text),
        ("prov/converter_version", text),
        ("mr/te_ms", text),
        ("mr/te_ms", number),
        ("id/patient", number),
    ]:
        with pytest.raises(UserError) as caught:
            guard.check_example(example(**{name: feature}), records.FIELDS)
        assert caught.value.exit_code == 7
        assert "DOE" not in str(caught.value) and "2024" not in str(caught.value)


def test_the_guard_refuses_a_record_that_lacks_a_feature():
    made = example()
    del made.features.feature["mr/te_ms"]
    with pytest.raises(UserError, match="whitelist"):
        guard.check_example(made, records.FIELDS)


@pytest.mark.parametrize("value", ["DOE^JOHN", "1.2.840.1", "20240131", "a b", "t2\n", "/data/x"])
def test_the_guard_refuses_words_in_reports(value):
    row = {"series_key": "0" * 32, "slices": 3, "reason": "unsure", "plane": None}
    guard.check_row(row, {"unsure"})
    with pytest.raises(UserError, match="column note") as caught:
        guard.check_row({**row, "note": value}, {"unsure"})
    assert value not in str(caught.value)
