"""The test files whose assertions compare results of float arithmetic, marked `numeric`.

`python -m tests.kernels` runs them under the kernels of other CPUs. The list is about kernels of
PyTorch: files that compare numbers of NumPy alone are the same under all settings.
"""

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

NUMERIC_FILES = (
    "golden/test_parity.py",
    "golden/test_fast_paths.py",
    "golden/test_deliberate_differences.py",
    "golden/test_mutants.py",
    "ltr/test_dropout_attention.py",
    "ltr/test_geometry.py",
    "ltr/test_models_backbone.py",
    "ltr/test_models_criterion.py",
    "ltr/test_models_layers.py",
    "ltr/test_models_light.py",
    "ltr/test_models_ocean.py",
    "ltr/test_models_ocean_criterion.py",
    "ltr/test_models_transt.py",
    "ltr/test_precision.py",
    "ltr/test_train_crops.py",
    "ltr/test_train_processing.py",
    "ltr/test_trainers.py",
    "pytracking/test_batched_tracking.py",
    "pytracking/test_features.py",
    "pytracking/test_light_tracker.py",
    "pytracking/test_multi_object.py",
    "pytracking/test_ocean_tracker.py",
    "pytracking/test_published_networks.py",
    "pytracking/test_tracking_speed.py",
    "pytracking/test_transt_tracker.py",
    "spot_ext/test_architecture_light.py",
    "spot_ext/test_architectures.py",
    "spot_ext/test_augment.py",
    "spot_ext/test_data.py",
    "spot_ext/test_distributed.py",
    "spot_ext/test_optimisation.py",
    "spot_ext/test_teacher.py",
    "spot_ext/test_training.py",
    "spot_ext/test_training_speed.py",
    "spot_ext/test_unlabelled.py",
)


def is_numeric(path: Path) -> bool:
    """Tell whether a test file is in the list."""
    return path.is_relative_to(TESTS) and path.relative_to(TESTS).as_posix() in NUMERIC_FILES


def existing_files() -> list[str]:
    """List the files, relative to the repository."""
    return [f"tests/{name}" for name in NUMERIC_FILES if (TESTS / name).is_file()]
