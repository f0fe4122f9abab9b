import pytest
from PIL import Image

from mir_task.data import open_image


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "I;16"])
def test_images_of_any_mode_become_rgb(tmp_path, mode):
    file = tmp_path / "image.tiff"
    Image.new(mode, (9, 9)).save(file)
    assert open_image(file).mode == "RGB"
