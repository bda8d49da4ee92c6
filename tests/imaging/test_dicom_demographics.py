"""Age in bins and sex: only when asked for, only of the closed sets, whatever the header holds."""

import math

import numpy as np
import pytest
import tensorflow as tf
from dicom_studies import save, stack, write_stack
from ingest_runs import convert
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from tfcyclegan.data import manifest, records
from tfcyclegan.data import slices as data_slices
from tfcyclegan.errors import UserError
from tfcyclegan.imaging.dicom import demographics
from tfcyclegan.ingest.verification import output_check
from tfcyclegan.ingest.verification.search import Needles
from tfcyclegan.privacy import guard

ASKED = "--with_demographics"


def person(**elements: bytes) -> dict[str, str]:
    """Reads a header that holds exactly these bytes."""
    dataset = Dataset()
    for keyword, value in elements.items():
        tag = Tag(tag_for_keyword(keyword))
        vr = dictionary_VR(tag)
        dataset[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    return demographics.read((dataset,))


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (b"045Y", "45-49"),
        (b"049Y", "45-49"),
        (b"050Y", "50-54"),
        (b"004Y", "00-04"),
        (b"089Y", "85-89"),
        (b"090Y", "90-up"),
        (b"091Y", "90-up"),
        (b"120Y", "90-up"),
        (b"121Y", "unknown"),
        (b"999Y", "unknown"),
        (b"018M", "00-04"),
        (b"059M", "00-04"),
        (b"060M", "05-09"),
        (b"261W", "05-09"),  # 5.002 years
        (b"260W", "00-04"),  # 4.98 years
        (b"001D", "00-04"),
        (b"000D", "unknown"),
        (b"000Y", "unknown"),
        (b"45", "unknown"),
        (b"45Y", "unknown"),
        (b"045", "unknown"),
        (b"-45Y", "unknown"),
        (b"4.5Y", "unknown"),
        (b"0045Y", "unknown"),
        (b"045Y\\046Y", "unknown"),
        (b"045YDOE", "unknown"),
        ("٠٤٥Y".encode(), "unknown"),
        (b"\xff\xfe\xfd\xfc", "unknown"),
        (b"", "unknown"),
    ],
)
def test_an_age_falls_into_its_bin_or_is_unknown(age, expected):
    assert person(PatientAge=age)["age_bin"] == expected


@pytest.mark.parametrize(
    ("birth", "study", "expected"),
    [
        (b"19700615", b"20150614", "40-44"),  # 44 until the day after
        (b"19700615", b"20150615", "45-49"),
        (b"19350229", b"20240301", "unknown"),  # no leap year
        (b"19360229", b"20260228", "85-89"),
        (b"19360229", b"20260301", "90-up"),
        (b"19000101", b"20240101", "unknown"),
        (b"20240101", b"20240101", "unknown"),
        (b"20250101", b"20240101", "unknown"),
        (b"00000000", b"20240101", "unknown"),
        (b"1970.06.15", b"20150615", "unknown"),
        (b"1970", b"20150615", "unknown"),
        (b"19700615", b"", "unknown"),
        (b"19700615", b"2015061512", "unknown"),
    ],
)
def test_dates_stand_in_for_a_missing_age(birth, study, expected):
    dates = {"PatientBirthDate": birth, "StudyDate": study}
    assert person(**dates)["age_bin"] == expected
    assert person(**dates, PatientAge=b"000D")["age_bin"] == expected
    assert person(**dates, PatientAge=b"012Y")["age_bin"] == "10-14"


@pytest.mark.parametrize(
    ("sex", "expected"),
    [
        (b"M ", "male"),
        (b"M", "male"),
        (b"F\0", "female"),
        (b"O ", "other"),
        (b"Male", "unknown"),
        (b"MALE", "unknown"),
        (b"D ", "unknown"),
        (b"M\\F ", "unknown"),
        (b"DOE^JANE", "unknown"),
        (b"", "unknown"),
    ],
)
def test_a_sex_is_of_the_standards_three_or_unknown(sex, expected):
    assert person(PatientSex=sex)["sex"] == expected


def test_every_bin_is_five_years_and_every_whole_age_has_one():
    bins = [demographics.age_bin(years) for years in range(demographics.OLDEST + 1)]
    assert bins[:90] == [f"{y // 5 * 5:02d}-{y // 5 * 5 + 4:02d}" for y in range(90)]
    assert set(bins[90:]) == {"90-up"} and {*bins, "unknown"} == set(records.AGE_BINS)
    assert demographics.age_bin(math.nan) == demographics.age_bin(-1) == "unknown"


PEOPLE = {
    "P1": {"PatientAge": "045Y", "PatientSex": "F"},
    "P2": {"PatientBirthDate": "19310511", "StudyDate": "20240131", "PatientSex": "M"},
    "P3": {"PatientAge": "DOE^", "PatientSex": "JANE"},
}
WORDS = ("045Y", "19310511", "20240131", "DOE^J", "JANE")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """(records of three patients without, with age and sex) of the same input."""
    folder = tmp_path_factory.mktemp("people")
    for patient, elements in PEOPLE.items():
        write_stack(folder / "in" / patient, patient=patient, study=patient, **elements)
    results = []
    for name, flags in (("without", ()), ("with", (ASKED,))):
        (folder / name).mkdir()
        code, result = convert(folder / name, folder / "in", *flags)
        assert code == 0
        results.append(result)
    return results


def people(result) -> set[tuple[bytes, bytes]]:
    found = set()
    for path in result.directory.glob("*.tfrecord"):
        rows = tf.data.TFRecordDataset(str(path)).batch(64)
        for batch in rows.map(lambda b: records.parse(b, tuple(records.DEMOGRAPHICS))):
            columns = [batch[name].numpy().tolist() for name in records.DEMOGRAPHICS]
            found |= set(zip(*columns, strict=True))
    return found


def test_records_hold_them_only_when_asked(both):
    without, asked = both
    assert people(asked) == {
        (b"45-49", b"female"),
        (b"90-up", b"male"),
        (b"unknown", b"unknown"),
    }
    for path in without.directory.glob("*.tfrecord"):
        content = path.read_bytes()
        assert not any(name.encode() in content for name in records.DEMOGRAPHICS)
    one, other = without.records(), asked.records()
    assert len(one) == len(other) == 18
    for a, b in zip(one, other, strict=True):
        changed = {
            name for name in a if np.asarray(a[name]).tobytes() != np.asarray(b[name]).tobytes()
        }
        assert changed == {"prov/config_hash"}


def test_the_card_says_so_and_counts_no_few(both):
    without, asked = both
    assert "demographics" not in without.card
    stated = [result.card["deidentification"]["whitelist"]["features"] for result in both]
    assert stated == [44, 44 + len(asked.card["demographics"])]
    assert asked.card["demographics"] == {
        "patient/age_bin": {"45-49": "<5", "90-up": "<5", "unknown": "<5"},
        "patient/sex": {"female": "<5", "male": "<5", "unknown": "<5"},
    }
    risks = [set(r.card["deidentification"]["residual_risks"]) for r in both]
    assert len(risks[1] - risks[0]) == 1 and risks[0] < risks[1]


def test_no_value_of_the_header_is_anywhere_and_both_outputs_are_clean(both):
    for result in both:
        assert list(output_check.check(result.directory, Needles(WORDS))) == []


def test_verification_allows_them_only_where_the_card_says_so(both, tmp_path):
    without, asked = (result.directory for result in both)
    for number, (records_of, card_of) in enumerate(((asked, without), (without, asked))):
        copy = tmp_path / str(number)
        copy.mkdir()
        for path in records_of.iterdir():
            (copy / path.name).write_bytes(path.read_bytes())
        (copy / manifest.CARD).write_bytes((card_of / manifest.CARD).read_bytes())
        findings = list(output_check.check(copy, Needles([])))
        assert sum("a feature set other than the whitelist" in found for found in findings) == 18


def test_the_guard_takes_both_or_none_and_only_closed_values(both):
    path = sorted(both[1].directory.glob("*.tfrecord"))[0]
    payload = next(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())

    def refused(example, demographics: bool) -> str:
        with pytest.raises(UserError) as caught:
            guard.check_example(example, records.whitelist(demographics=demographics))
        return str(caught.value)

    example = tf.train.Example.FromString(payload)
    guard.check_example(example, records.whitelist(demographics=True))
    assert "feature set" in refused(example, False)
    example.features.feature["patient/sex"].bytes_list.value[0] = b"F "
    assert "feature patient/sex" in refused(example, True)
    del example.features.feature["patient/sex"]
    assert "feature set" in refused(example, True)


def test_the_trainer_reads_such_records(both):
    shards = manifest.read(both[1].directory)
    slices = data_slices.load_slices(
        str(both[1].directory), shards, split="train", sequence="t2", image_size=32
    )
    assert len(slices) == 18


def test_slices_that_disagree_are_unknown(tmp_path):
    for number, dataset in enumerate(stack(PatientAge="045Y", PatientSex="F")):
        if number == 3:
            dataset.PatientSex = "M"
        save(dataset, tmp_path / "in" / f"{number}.dcm")
    _, result = convert(tmp_path, tmp_path / "in", ASKED)
    assert people(result) == {(b"45-49", b"unknown")}
