"""Image and distribution metrics: pure NumPy kernels, and TensorFlow versions for training."""

from tfcyclegan.metrics.bootstrap import Interval, patient_bootstrap, patient_means
from tfcyclegan.metrics.feature_statistics import FeatureStatistics
from tfcyclegan.metrics.frechet import (
    FrechetDistance,
    frechet_distance,
    frechet_distance_from_statistics,
)
from tfcyclegan.metrics.kernel_distance import (
    PatientKernelSums,
    kernel_distance,
    kernel_distance_patient,
    kernel_distance_patient_interval,
)
from tfcyclegan.metrics.ms_ssim import ms_ssim
from tfcyclegan.metrics.pixel_errors import mae, mse, nmse
from tfcyclegan.metrics.psnr import (
    SliceMean,
    pooled_psnr,
    psnr,
    psnr_graph,
    psnr_slice_mean,
    psnr_volume,
)
from tfcyclegan.metrics.ssim import interior, ssim, ssim_graph, ssim_map
from tfcyclegan.metrics.streaming import PSNR, SSIM

__all__ = [
    "PSNR",
    "SSIM",
    "FeatureStatistics",
    "FrechetDistance",
    "Interval",
    "PatientKernelSums",
    "SliceMean",
    "frechet_distance",
    "frechet_distance_from_statistics",
    "interior",
    "kernel_distance",
    "kernel_distance_patient",
    "kernel_distance_patient_interval",
    "mae",
    "ms_ssim",
    "mse",
    "nmse",
    "patient_bootstrap",
    "patient_means",
    "pooled_psnr",
    "psnr",
    "psnr_graph",
    "psnr_slice_mean",
    "psnr_volume",
    "ssim",
    "ssim_graph",
    "ssim_map",
]
