"""The class of a series: real parameter sets, and pairs that common rules confuse."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcyclegan.imaging.frames import HINTS, Physics, Reading
from tfcyclegan.imaging.sequences import classify, exclusion, hints

SE, SE_IR, IR, GR = ({"SE"}, {"SE", "IR"}, {"IR"}, {"GR"})


def made(te=math.nan, tr=math.nan, ti=math.nan, scanning=(), text="", **other) -> Physics:
    return Physics(
        te_ms=te, tr_ms=tr, ti_ms=ti, scanning=frozenset(scanning), hints=hints(text), **other
    )


# Published protocols and public sidecars; the names are theirs, and say little.
REAL = [
    ("2D TSE whose name says nothing", made(86, 6150, scanning=SE, text="tse_p3", etl=18), "t2"),
    ("2D TSE, very long TR", made(88, 13520, scanning=SE, text="t2_tse_cor"), "t2"),
    ("3D T2 SPACE, long echo", made(455, 3200, scanning=SE, text="T2_SPACE"), "t2"),
    ("3D FLAIR SPACE, 475 ms", made(475, 5000, 1810, SE_IR, "FLAIR_3D_T2SPACE"), "flair"),
    ("3D FLAIR SPACE, 466 ms", made(466, 4000, 2500, SE_IR), "flair"),
    ("3D FLAIR of IR only", made(296, 4800, 1650, IR, "3D_Brain_VIEW_FLAIR"), "flair"),
    ("2D TIRM", made(86, 8000, 2370, SE_IR, "t2_tirm_tra_dark-fluid_FLAIR"), "flair"),
    ("GE T2 FLAIR at 1.5 T", made(120, 9000, 2250, {"RM", "IR"}, "Ax T2 FLAIR"), "flair"),
]

CONFUSED = [
    ("T1-FLAIR", made(20, 2000, 800, SE_IR, "T1 FLAIR"), "t1_flair"),
    ("T1-FLAIR without a name", made(9, 2500, 860, SE_IR), "t1_flair"),
    ("STIR", made(60, 4000, 150, SE_IR, "STIR"), "stir"),
    ("STIR called FLAIR by its protocol", made(70, 5000, 160, IR, "tirm"), "stir"),
    ("T1 spin echo", made(12, 500, scanning=SE), "t1"),
    ("T1 turbo spin echo", made(9, 650, scanning=SE, etl=3), "t1"),
    ("proton density", made(20, 3000, scanning=SE, text="pd t2 dual echo"), "pd"),
    ("T2*", made(25, 800, scanning=GR, text="t2*_gre"), "t2_star"),
    ("MPRAGE", made(3, 2300, 900, {"GR", "IR"}, "t1_mprage"), "other"),
]

UNSURE = [
    ("long TI, short TE", made(55, 9000, 2500, SE_IR)),
    ("FLAIR with a T1's repetition time", made(100, 1200, 2000, SE_IR)),
    ("IR without a TI and without a name", made(110, 9000, scanning=SE_IR)),
    ("no echo time", made(tr=6000, scanning=SE, text="t2_tse")),
    ("only a name", made(text="T2 FLAIR")),
    ("echo between PD and T2", made(50, 4000, scanning=SE)),
    ("T2 physics called FLAIR", made(99, 6000, scanning=SE, text="ax flair")),
    ("FLAIR physics called T1", made(110, 9000, 2500, SE_IR, "sag t1")),
    ("FLAIR physics called STIR", made(110, 9000, 2500, SE_IR, "cor stir")),
    ("T2 that says fluid attenuated", made(99, 6000, acquisition_contrast="FLUID_ATTENUATED")),
    ("one echo per excitation", made(90, 3000, scanning=SE, etl=1)),
    ("research mode only", made(90, 3000, scanning={"RM"})),
]


@pytest.mark.parametrize(("name", "physics", "expected"), REAL + CONFUSED)
def test_physics_names_the_sequence(name, physics, expected):
    decision = classify(physics)
    assert (decision.sequence, decision.reason) == (expected, ""), name


@pytest.mark.parametrize(("name", "physics"), UNSURE)
def test_doubt_and_contradiction_are_unsure(name, physics):
    assert classify(physics).reason == "unsure", name


def test_a_missing_inversion_time_is_made_up_for_by_the_name_with_less_confidence():
    decision = classify(made(110, 9000, scanning=SE_IR, text="dark-fluid"))
    assert (decision.sequence, decision.reason) == ("flair", "")
    assert decision.confidence < classify(made(110, 9000, 2500, SE_IR)).confidence


@pytest.mark.parametrize(("name", "physics", "expected"), REAL + CONFUSED)
def test_confidence_has_two_decimals_with_or_without_a_name(name, physics, expected):
    for text in ("", "T2 FLAIR", "T1", "PD", "STIR"):
        confidence = classify(dataclasses.replace(physics, hints=hints(text))).confidence
        assert len(str(confidence)) <= len("0.95"), name


@pytest.mark.parametrize(("name", "physics", "expected"), REAL)
def test_t2_in_the_name_of_a_flair_is_no_contradiction(name, physics, expected):
    renamed = dataclasses.replace(physics, hints=hints("AX T2"))
    assert (classify(renamed).sequence, classify(renamed).reason) == (expected, "")


# The pair that matters: whatever the text, T2 physics never becomes an accepted FLAIR.
@given(
    st.sampled_from([physics for _, physics, _ in REAL]),
    st.sets(st.sampled_from(HINTS)).map(frozenset),
)
def test_text_never_turns_one_into_the_other(physics, found):
    bare = classify(dataclasses.replace(physics, hints=frozenset()))
    told = classify(dataclasses.replace(physics, hints=found))
    assert bare.reason == ""
    assert told.sequence == bare.sequence


@given(st.floats(0, 600), st.floats(100, 20000), st.floats(0.1, 5000))
def test_what_is_accepted_as_flair_has_a_flairs_inversion_time(te, tr, ti):
    decision = classify(made(te, tr, ti, SE_IR))
    if decision.sequence == "flair" and not decision.reason:
        assert 1400 <= ti <= 3500 and te >= 60 and tr >= 2500
    assert decision.sequence != "t2", "an inversion recovery is never T2"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("t2_tirm_tra_dark-fluid", {"flair"}),
        ("FLAIR_3D_T2SPACE", {"flair"}),
        ("Ax T2 FLAIR FS", {"flair"}),
        ("AX_T2_FL", {"flair"}),
        ("t1_flair_sag", {"t1_flair", "t1"}),
        ("t2_tirm_stir", {"stir"}),
        ("T2* GRE", set()),
        ("t2star_tra", set()),
        ("t2_tse_tra", {"t2"}),
        ("T2W_TSE", {"t2"}),
        ("t1_mprage_sag", {"t1"}),
        ("3-plane loc", {"localizer"}),
        ("AAHScout", {"localizer"}),
        ("location study", set()),
        ("AX T1 +C", {"t1", "post_contrast"}),
        ("FLAIR post Gd", {"flair", "post_contrast"}),
        ("", set()),
    ],
)
def test_text_becomes_hints(text, found):
    assert hints(text) == found


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kinds": frozenset({"ORIGINAL", "PRIMARY", "M"})}, ""),
        ({"kinds": frozenset({"ORIGINAL", "PRIMARY", "LOCALIZER"})}, "localizer"),
        ({"kinds": frozenset({"ORIGINAL", "PRIMARY", "M", "MOSAIC"})}, "mosaic"),
        ({"kinds": frozenset({"ORIGINAL", "PRIMARY", "P"})}, "not_magnitude"),
        ({"kinds": frozenset({"DERIVED", "PRIMARY", "ADC"})}, "derived"),
        ({"kinds": frozenset({"DERIVED", "SECONDARY", "MPR"})}, "derived"),
        ({"kinds": frozenset({"DERIVED", "PRIMARY"})}, "derived"),
        ({"hints": frozenset({"localizer"})}, "localizer"),
        ({"b_value": 1000.0}, "dwi"),
        ({"b_value": 0.0}, ""),
        ({"scanning": frozenset({"SE", "EP"})}, "dwi"),  # the b=0 image of a diffusion series
        ({"echo_planar": True}, "dwi"),
        ({"acquisition_contrast": "DIFFUSION"}, "dwi"),
    ],
)
def test_some_images_are_no_candidates_whatever_their_contrast(changes, reason):
    t2 = made(99, 6000, scanning=SE)
    assert exclusion(dataclasses.replace(t2, **changes)) == reason


def test_derived_images_can_be_allowed_but_maps_cannot():
    plain = Physics(kinds=frozenset({"DERIVED", "PRIMARY"}))
    assert exclusion(plain, Reading(allow_derived=True)) == ""
    mip = Physics(kinds=frozenset({"DERIVED", "SECONDARY", "MIP"}))
    assert exclusion(mip, Reading(allow_derived=True)) == "derived"
