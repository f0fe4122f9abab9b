"""An image becomes upright RGB of 8 bits, or an error that names it."""

import io
import os
import struct
import warnings
import zlib

import datasets
import numpy as np
import pytest
from PIL import Image

from mir_task import MIRDataError
from mir_task.data import open_image

COLOURS = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
GREY = np.arange(256, dtype=np.uint8).reshape(8, 32)


def pixels(source):
    """What comes in, of three equal channels one."""
    image = open_image(source)
    assert image.mode == "RGB"
    array = np.asarray(image)
    return array[..., 0] if (array == array[..., :1]).all() else array


# 8 bits


def with_alpha():
    return Image.fromarray(np.dstack([COLOURS, GREY.flat[:240].reshape(12, 20)]))


def palette(transparency):
    image = Image.fromarray(COLOURS).quantize(16)
    image.info["transparency"] = transparency
    return image


EIGHT_BITS = {
    "RGB": lambda: Image.fromarray(COLOURS),
    "L": lambda: Image.fromarray(GREY),
    "1": lambda: Image.fromarray(GREY).convert("1"),
    "P": lambda: Image.fromarray(COLOURS).quantize(16),
    "P, a transparent colour": lambda: palette(3),
    "P, half transparent colours": lambda: palette(bytes(range(0, 160, 10))),
    "RGBA": with_alpha,
    "LA": lambda: with_alpha().convert("LA"),
    "CMYK": lambda: Image.fromarray(COLOURS).convert("CMYK"),
    "YCbCr": lambda: Image.fromarray(COLOURS).convert("YCbCr"),
}


@pytest.mark.parametrize("kind", EIGHT_BITS)
def test_images_of_eight_bits_are_what_pil_makes_of_them_without_transparency(kind):
    image = EIGHT_BITS[kind]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = image.convert("RGB")
    assert open_image(image) == expected


def test_premultiplied_transparency_is_undone():
    grey = Image.merge("LA", [Image.new("L", (3, 2), 120), Image.new("L", (3, 2), 128)])
    assert abs(int(pixels(grey.convert("La"))[0, 0]) - 120) <= 1


# More bits


def sixteen(grey):
    """The same picture in 16 bits: 255 becomes 65535."""
    return Image.fromarray(grey.astype(np.uint16) * 257)


def png_of_colours(path, colours):
    """A PNG of three channels of 16 bits, which PIL reads and cannot write."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = colours.shape
    rows = b"".join(b"\0" + row.tobytes() for row in colours.astype(">u2") * 257)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def tiff(path, array, *, bits, kind=1, black=1, data=None):
    """A TIFF of one channel; ``kind`` is its sample format (2: signed), ``black`` its photometric interpretation."""
    height, width = array.shape
    data = array.astype(array.dtype.newbyteorder("<")).tobytes() if data is None else data
    tags = [
        *((256, width), (257, height), (258, bits), (259, 1), (262, black), (273, 8 + 2 + 10 * 12 + 4)),
        *((277, 1), (278, height), (279, len(data)), (339, kind)),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data)


@pytest.mark.parametrize("ending", ["png", "tif", "jp2"])
def test_integers_of_16_bits_are_scaled_to_8(tmp_path, ending):
    file = tmp_path / f"image.{ending}"
    sixteen(GREY).save(file, **({"irreversible": False} if ending == "jp2" else {}))
    assert np.array_equal(pixels(file), GREY)
    with Image.open(file) as image:
        assert np.array_equal(pixels(image), GREY)


def test_integers_of_16_bits_in_memory_are_scaled_in_either_order_of_bytes():
    for order in "<>":
        image = Image.fromarray((GREY.astype(np.uint16) * 257).astype(f"{order}u2"))
        assert image.mode == ("I;16" if order == "<" else "I;16B")
        assert np.array_equal(pixels(image), GREY)


@pytest.mark.parametrize("highest", [65535, 1000])
def test_a_pgm_of_more_bits_has_the_scale_of_its_header(tmp_path, highest):
    values = np.rint(GREY / 255 * highest).astype(">u2")
    (tmp_path / "image.pgm").write_bytes(b"P5 32 8 %d\n" % highest + values.tobytes())
    assert np.abs(pixels(tmp_path / "image.pgm").astype(int) - values / highest * 255).max() <= 1


def test_colours_of_16_bits_are_scaled_to_8(tmp_path):
    png_of_colours(tmp_path / "image.png", COLOURS)
    assert np.array_equal(pixels(tmp_path / "image.png"), COLOURS)


def test_a_tiff_of_12_bits_has_the_scale_of_12(tmp_path):
    values = GREY.astype(int) * 16 + GREY // 16  # 255 becomes 4095
    bits = "".join(f"{value:012b}" for value in values.flat)
    packed = int(bits, 2).to_bytes(len(bits) // 8, "big")
    tiff(tmp_path / "image.tif", values, bits=12, data=packed)
    assert np.array_equal(pixels(tmp_path / "image.tif"), GREY)


def test_a_tiff_whose_white_is_zero_is_no_negative(tmp_path):
    tiff(tmp_path / "image.tif", (255 - GREY).astype(np.uint16) * 257, bits=16, black=0)
    assert np.array_equal(pixels(tmp_path / "image.tif"), GREY)


@pytest.mark.parametrize("scale", [1 / 255, 1])
def test_floats_are_scaled_where_0_to_1_or_whole_numbers_to_255(tmp_path, scale):
    values = (GREY * np.float32(scale)).astype(np.float32)
    Image.fromarray(values).save(tmp_path / "image.tif")
    assert np.array_equal(pixels(tmp_path / "image.tif"), GREY)
    assert np.array_equal(pixels(Image.fromarray(values)), GREY)


UNCLEAR = {
    "light beyond white": (np.float32([[0, 0.5, 3.5]]), "floats of 0 to 3.5"),
    "metres": (np.float32([[2.25, 80]]), "floats of 2.25 to 80"),
    "below black": (np.float32([[-0.5, 1]]), "floats of -0.5 to 1"),
    "no number": (np.float32([[0, np.nan]]), "floats of nan to nan"),
    "infinite": (np.float32([[0, np.inf]]), "floats of 0 to inf"),
    "integers of 32 bits": (np.int32([[0, 200]]), "integers of 0 to 200 .mode I., .* what is white"),
}


@pytest.mark.parametrize("kind", UNCLEAR)
def test_a_scale_that_cannot_be_told_is_never_guessed(tmp_path, kind):
    values, message = UNCLEAR[kind]
    with pytest.raises(MIRDataError, match=f"an image of the dataset: its pixels are {message}"):
        open_image(Image.fromarray(values))
    Image.fromarray(values).save(tmp_path / "image.tif")
    with pytest.raises(MIRDataError, match=f'image.tif: its pixels are {message}.* convert it to mode "L"'):
        open_image(tmp_path / "image.tif")


def test_signed_integers_have_no_white(tmp_path):
    tiff(tmp_path / "image.tif", np.int16([[-1000, 3000]]), bits=16, kind=2)
    with pytest.raises(MIRDataError, match=r"image.tif: its pixels are integers of -1000 to 3000"):
        open_image(tmp_path / "image.tif")


# Upright

STORED = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
"""Which sides of the scene the first row and the first column are, as the EXIF standard has it."""


def upright(stored, orientation):
    row, column = STORED[orientation]
    if row in ("left", "right"):
        stored = stored.swapaxes(0, 1)
        row, column = column, row
    return stored[:: -1 if row == "bottom" else 1, :: -1 if column == "right" else 1]


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
def test_an_image_stands_as_a_viewer_shows_it(tmp_path, ending, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / f"image.{ending}"
    Image.fromarray(COLOURS).save(file, exif=exif, **({"lossless": True} if ending == "webp" else {}))
    expected = upright(COLOURS, orientation)
    once = open_image(file)
    assert np.array_equal(once, expected)
    assert np.array_equal(open_image(once), expected)
    with Image.open(file) as image:
        assert np.array_equal(open_image(image), expected)


def test_a_photograph_stands_as_datasets_decodes_it():
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(COLOURS).save(file, "jpeg", exif=exif)
    row = {"bytes": file.getvalue(), "path": None}
    assert open_image(row).size == (12, 20)
    assert np.array_equal(open_image(row), datasets.Image().decode_example(row))


@pytest.mark.parametrize("exif", [b"Exif\0\0II*\0\xff\xff", b"Exif\0\0nothing of the kind"])
def test_damaged_exif_turns_nothing(tmp_path, exif):
    Image.fromarray(COLOURS).save(tmp_path / "image.png", exif=exif)
    assert np.array_equal(pixels(tmp_path / "image.png"), COLOURS)


# What is refused


def test_postscript_of_another_name_never_reaches_ghostscript(tmp_path, monkeypatch):
    def run(*_args, **_kwargs):
        pytest.fail("Ghostscript was to run")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", run)
    file = tmp_path / "image.png"
    Image.fromarray(COLOURS).save(file, "eps")
    with pytest.raises(MIRDataError, match=r"image.png: it is damaged, or of no format .*JPEG.*PNG"):
        open_image(file)
    with Image.open(file) as image, pytest.raises(MIRDataError, match="EPS, .* convert it to PNG"):
        open_image(image)


@pytest.mark.usefixtures("soon")
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "device.png").symlink_to("/dev/null")
    for name in ("pipe.png", "device.png"):
        with pytest.raises(MIRDataError, match=f"{name}: it is a folder, a device or a pipe"):
            open_image(tmp_path / name)


def test_an_image_without_pixels_is_refused():
    with pytest.raises(MIRDataError, match=r"it has no pixels \(0 x 3\)"):
        open_image(Image.new("RGB", (0, 3)))


def test_an_image_whose_file_was_closed_is_refused_with_what_to_do(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "image.png")
    with Image.open(tmp_path / "image.png") as image:
        pass
    with pytest.raises(MIRDataError, match="its file was closed before it was read; call its load"):
        open_image(image)


@pytest.mark.parametrize("ending", ["png", "tif", "ppm"])
def test_whatever_a_decoder_raises_names_the_file(tmp_path, ending):
    """PIL has a dozen unrelated classes for it. Each file cut short everywhere, and each of its first bytes another."""
    file = tmp_path / f"image.{ending}"
    Image.fromarray(COLOURS).save(file)
    whole = file.read_bytes()
    damaged = [whole[:length] for length in range(0, len(whole), 3)]
    damaged += [whole[:at] + bytes([255 - whole[at]]) + whole[at + 1 :] for at in range(150)]
    refused = []
    for data in damaged:
        file.write_bytes(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                open_image(file)  # some damage does no harm
        except MIRDataError as error:
            refused.append(str(error))
    assert len(refused) > len(damaged) / 4
    assert all(file.name in message for message in refused)
