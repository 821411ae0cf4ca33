"""Crops around boxes, boxes in crops, label maps and proposals: the parts that processing classes
put together.
"""

from ltr.data.processing_utils.adaptive import (
    CROP_MODES,
    crop_and_resize,
    sample_target_adaptive,
    sample_target_from_crop_region,
    target_image_crop,
    transform_box_to_crop,
)
from ltr.data.processing_utils.labels import (
    find_local_maxima,
    gauss_1d,
    gauss_2d,
    gaussian_label_function,
)
from ltr.data.processing_utils.proposals import (
    gauss_density_centered,
    gmm_density_centered,
    iou,
    perturb_box,
    rand_uniform,
    sample_box_gmm,
    sample_gmm,
    sample_gmm_centered,
)
from ltr.data.processing_utils.square import (
    jittered_center_crop,
    sample_target,
    sample_target_ostrack,
    sample_target_transt,
    transform_image_to_crop,
)
from ltr.data.processing_utils.windows import size_of

__all__ = [
    "CROP_MODES",
    "crop_and_resize",
    "find_local_maxima",
    "gauss_1d",
    "gauss_2d",
    "gauss_density_centered",
    "gaussian_label_function",
    "gmm_density_centered",
    "iou",
    "jittered_center_crop",
    "perturb_box",
    "rand_uniform",
    "sample_box_gmm",
    "sample_gmm",
    "sample_gmm_centered",
    "sample_target",
    "sample_target_adaptive",
    "sample_target_from_crop_region",
    "sample_target_ostrack",
    "sample_target_transt",
    "size_of",
    "target_image_crop",
    "transform_box_to_crop",
    "transform_image_to_crop",
]
