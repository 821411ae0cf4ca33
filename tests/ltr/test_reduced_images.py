"""Decoding JPEGs at a part of their size, and crops out of them: same place, stated distance from
the full decode.
"""

import cv2
import numpy as np
import pytest

from ltr.data import crops, image_loader

pytest.importorskip("simplejpeg", reason="reduces JPEGs")


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise with the spectrum of photographs, amplitudes falling with the frequency."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    spectra = [np.fft.rfft2(rng.normal(size=(height, width))) / frequency**1.2 for _ in range(3)]
    planes = [np.fft.irfft2(spectrum, (height, width)) for spectrum in spectra]
    image = np.stack([planes[0] + 0.3 * plane for plane in planes], -1)
    return np.clip(128 + 45 * (image - image.mean()) / image.std(), 0, 255).astype(np.uint8)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(np.mean((one.astype(float) - other) ** 2), 1e-9))


def write(path, image) -> str:
    cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    return str(path)


@pytest.mark.parametrize("size", [(96, 160), (97, 163), (8, 8)], ids=str)
@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_a_jpeg_is_reduced_in_the_decoder(tmp_path, size, factor):
    path = write(tmp_path / "a.jpg", photograph(*size))
    found = image_loader.read_reduced(lambda: image_loader.default_image_loader(path), factor)
    assert (found.factor, found.height, found.width) == (factor, *size)
    assert found.image.shape == (-(-size[0] // factor), -(-size[1] // factor), 3)
    assert image_loader.default_image_loader(path).shape[:2] == size  # nothing is left behind


@pytest.mark.parametrize("kind", ["png", "turned", "other loader"])
def test_what_cannot_be_reduced_comes_back_whole(tmp_path, kind):
    image_module = pytest.importorskip("PIL.Image")
    image, path, loader = photograph(32, 48), tmp_path / "a.jpg", image_loader.default_image_loader
    if kind == "png":
        path = tmp_path / "a.png"
        cv2.imwrite(str(path), image)
    elif kind == "turned":
        exif = image_module.Exif()
        exif[0x0112] = 6
        image_module.fromarray(image).save(path, exif=exif)
    else:
        write(path, image)
        loader = image_loader.opencv_loader
    found = image_loader.read_reduced(lambda: loader(path), 4)
    assert found.factor == 1 and found.image.shape == (found.height, found.width, 3)
    assert (found.height, found.width) == ((48, 32) if kind == "turned" else (32, 48))


@pytest.mark.parametrize(("factor", "least"), [(2, 28), (4, 24), (8, 22)])
def test_crops_stay_near_those_of_the_full_decode(tmp_path, factor, least):
    """dB from `cut`, which skips pixels; nearer to the mean of what each crop pixel covers than
    `cut` is.
    """
    path = write(tmp_path / "a.jpg", photograph(480, 640))
    full = image_loader.default_image_loader(path)
    small = image_loader.read_reduced(lambda: image_loader.default_image_loader(path), factor)
    rng, gains = np.random.default_rng(1), []
    for _ in range(12):
        window = crops.CropWindow(
            rng.uniform(260, 380),
            rng.uniform(200, 280),
            round(40 * factor * rng.uniform(1, 1.3)),
            40,
        )
        ours = crops.cut_reduced(small.image, factor, (640, 480), window, np.zeros(3))
        theirs = crops.cut(full, window)
        assert psnr(ours, theirs) > least
        (x, y), side = window.corner, window.side
        if min(x, y) >= 0 and x + side <= 640 and y + side <= 480:
            mean = cv2.resize(
                full[y : y + side, x : x + side], (40, 40), interpolation=cv2.INTER_AREA
            )
            gains.append(psnr(ours, mean) - psnr(theirs, mean))
    assert np.median(gains) > 2


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize(
    "center",
    [(320.0, 240.0), (5.3, 470.9), (639.0, 2.0)],
    ids=["inside", "lower left", "upper right"],
)
def test_pixels_lie_where_the_full_decode_has_them(tmp_path, factor, center):
    """On a smooth ramp any shift shows: a crop pixel off by a tenth would be a level off."""
    ramp = np.add.outer(np.arange(480) * 0.25, np.arange(640) * 0.2)
    path = write(tmp_path / "a.jpg", np.repeat(ramp[..., None], 3, 2).round().astype(np.uint8))
    full = image_loader.default_image_loader(path)
    small = image_loader.read_reduced(lambda: image_loader.default_image_loader(path), factor)
    window, fill = crops.CropWindow(*center, 40 * factor + 7, 40), np.full(3, 255.0)
    ours, theirs = (
        crops.cut_reduced(small.image, factor, (640, 480), window, fill),
        crops.cut(full, window, fill),
    )
    outside = [(image == 255).all(-1) for image in (ours, theirs)]
    assert (outside[0] != outside[1]).mean() < 0.06  # along the border, where `cut` blends
    inside = ~outside[0] & ~outside[1] & (theirs < 250).all(-1)
    difference = np.abs(ours.astype(int) - theirs)[inside]
    assert (
        np.percentile(difference, 90) <= 1 + factor / 4
        and abs(np.median(ours[inside].astype(int) - theirs[inside])) <= 1
    )


def test_photographs_of_real_sequences(shared_dir):
    """The distances that `cut_reduced` states, on frames of real videos."""
    files = sorted((shared_dir / "data" / "got10k" / "train").glob("*/00000001.jpg"))[:12]
    if not files:
        pytest.skip("no GOT-10k frames in the shared data")
    for factor, least, usual in ((2, 24, 28), (4, 22, 24), (8, 22, 24)):
        found = []
        for path in files:
            full = image_loader.default_image_loader(path)
            small = image_loader.read_reduced(
                lambda path=path: image_loader.default_image_loader(path), factor
            )
            height, width = full.shape[:2]
            window = crops.CropWindow(width / 2, height / 2, round(64 * factor * 1.1), 64)
            fill = crops.mean_color(full)
            found.append(
                psnr(
                    crops.cut_reduced(small.image, factor, (width, height), window, fill),
                    crops.cut(full, window),
                )
            )
        assert min(found) > least and np.median(found) > usual, (
            factor,
            np.round(found, 1).tolist(),
        )
