"""Tissue constants at 3 T and the two signal equations."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Tissue:
    """Proton density relative to water, T1 and T2 in ms."""

    density: float
    t1_ms: float
    t2_ms: float


# Grey and white matter: Wansapura et al. 1999, JMRI 9:531,
# doi:10.1002/(SICI)1522-2586(199904)9:4<531::AID-JMRI4>3.0.CO;2-L. T1 of CSF: Lin et al. 2001,
# Proc. ISMRM 9:1391. Fat and muscle: Gold et al. 2004, AJR 183:343, doi:10.2214/ajr.183.2.1830343.
# Deep grey matter, brain stem and lesions have no single value in the literature: they stand
# between their neighbours, with the shorter T2 of iron in the nuclei and the longer T1 and T2 of
# demyelination in lesions. Cortical bone has a T2 below 1 ms, so no signal at these echo times.
CSF = Tissue(1.0, 4163.0, 1500.0)
FAT = Tissue(0.78, 371.0, 133.0)
TISSUES = {
    "air": Tissue(0.0, 1000.0, 1.0),
    "skin": Tissue(0.65, 900.0, 45.0),
    "fat": FAT,
    "muscle": Tissue(0.80, 1420.0, 32.0),
    "bone": Tissue(0.10, 220.0, 0.4),
    "marrow": FAT,
    "vitreous": CSF,
    "csf": CSF,
    "ventricle": CSF,
    "gray": Tissue(0.82, 1331.0, 110.0),
    "white": Tissue(0.70, 832.0, 79.6),
    "stem": Tissue(0.74, 960.0, 84.0),
    "thalamus": Tissue(0.77, 1080.0, 86.0),
    "striatum": Tissue(0.80, 1230.0, 88.0),
    "pallidum": Tissue(0.75, 980.0, 67.0),
    "lesion": Tissue(0.86, 1450.0, 170.0),
}
BRAIN = ("gray", "white", "stem", "thalamus", "striatum", "pallidum", "lesion")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Timing of one series in ms; `ti_ms` 0 means no inversion."""

    tr_ms: float
    te_ms: float
    ti_ms: float = 0.0
    echo_train: int = 15


def signal(tissue: Tissue, protocol: Protocol) -> float:
    """Returns the transverse magnetisation at the echo, signed, 1 for fully relaxed water.

    Spin echo: PD (1 - e^(-TR/T1)) e^(-TE/T2). Inversion recovery:
    PD (1 - 2 e^(-TI/T1) + e^(-TR/T1)) e^(-TE/T2). The sign is kept because voxels that hold two
    tissues add magnetisation, not magnitudes; the scanner takes the magnitude afterwards.

    Reference: Bernstein, King, Zhou, Handbook of MRI Pulse Sequences, 2004, sections 14.2, 16.4.
    """
    relaxed = math.exp(-protocol.tr_ms / tissue.t1_ms)
    inverted = math.exp(-protocol.ti_ms / tissue.t1_ms) if protocol.ti_ms else None
    longitudinal = 1 - relaxed if inverted is None else 1 - 2 * inverted + relaxed
    return tissue.density * longitudinal * math.exp(-protocol.te_ms / tissue.t2_ms)


def nulling_ti(t1_ms: float, tr_ms: float) -> float:
    """Returns the inversion time in ms at which a tissue of `t1_ms` gives no signal.

    The zero of the inversion-recovery form: TI = T1 ln(2 / (1 + e^(-TR/T1))).
    """
    return t1_ms * math.log(2 / (1 + math.exp(-tr_ms / t1_ms)))
