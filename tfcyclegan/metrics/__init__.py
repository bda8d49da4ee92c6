"""Image and distribution metrics: pure NumPy kernels, and TensorFlow versions for training."""

from tfcyclegan.metrics.blur import blur_effect
from tfcyclegan.metrics.bootstrap import Interval, patient_bootstrap, patient_means
from tfcyclegan.metrics.covariance import covariance_root
from tfcyclegan.metrics.feature_statistics import FeatureStatistics
from tfcyclegan.metrics.frechet import (
    FrechetDistance,
    frechet_distance,
    frechet_distance_from_statistics,
)
from tfcyclegan.metrics.inception_score import InceptionScore, inception_score
from tfcyclegan.metrics.kernel_distance import (
    PatientKernelSums,
    kernel_distance,
    kernel_distance_patient,
    kernel_distance_patient_difference,
    kernel_distance_patient_draws,
    kernel_distance_patient_interval,
)
from tfcyclegan.metrics.kernel_subsets import SubsetDistance, kernel_distance_subsets
from tfcyclegan.metrics.ms_ssim import ms_ssim, ms_ssim_name
from tfcyclegan.metrics.mutual_information import nmi
from tfcyclegan.metrics.neighbours import NeighbourScores, density_coverage
from tfcyclegan.metrics.normaliser import ReferenceNormaliser
from tfcyclegan.metrics.pixel_errors import mae, mse, nmse, nrmse_l2, nrmse_range
from tfcyclegan.metrics.psnr import (
    SliceMean,
    pooled_psnr,
    psnr,
    psnr_graph,
    psnr_slice_mean,
    psnr_volume,
)
from tfcyclegan.metrics.published_scales import (
    psnr_maxnorm,
    psnr_meannorm,
    ssim_maxnorm,
    ssim_meannorm,
)
from tfcyclegan.metrics.ssim import interior, ssim, ssim_graph, ssim_map
from tfcyclegan.metrics.streaming import PSNR, SSIM

__all__ = [
    "PSNR",
    "SSIM",
    "FeatureStatistics",
    "FrechetDistance",
    "InceptionScore",
    "Interval",
    "NeighbourScores",
    "PatientKernelSums",
    "ReferenceNormaliser",
    "SliceMean",
    "SubsetDistance",
    "blur_effect",
    "covariance_root",
    "density_coverage",
    "frechet_distance",
    "frechet_distance_from_statistics",
    "inception_score",
    "interior",
    "kernel_distance",
    "kernel_distance_patient",
    "kernel_distance_patient_difference",
    "kernel_distance_patient_draws",
    "kernel_distance_patient_interval",
    "kernel_distance_subsets",
    "mae",
    "ms_ssim",
    "ms_ssim_name",
    "mse",
    "nmi",
    "nmse",
    "nrmse_l2",
    "nrmse_range",
    "patient_bootstrap",
    "patient_means",
    "pooled_psnr",
    "psnr",
    "psnr_graph",
    "psnr_maxnorm",
    "psnr_meannorm",
    "psnr_slice_mean",
    "psnr_volume",
    "ssim",
    "ssim_graph",
    "ssim_map",
    "ssim_maxnorm",
    "ssim_meannorm",
]
