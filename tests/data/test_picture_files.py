"""Pictures from folders: what people have is read, what was done is said, and what is broken is named together."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from gan_pipelines import progress
from gan_pipelines.data import pictures as module
from gan_pipelines.data.class_names import natural_key
from gan_pipelines.data.source import SourceData
from gan_pipelines.parameters import ImageFolderSource
from tests.data import reading


def folder_source(**replaced: Any) -> ImageFolderSource:
    return ImageFolderSource.model_validate(
        {"name": "image_folder", "path": "pictures", "test_fraction": 0.25, **replaced}
    )


def read(project: Path, seed: int = 0, **replaced: Any) -> SourceData:
    return reading.read(folder_source(**replaced), project, seed)


def refusal(project: Path, **replaced: Any) -> str:
    return reading.refusal(folder_source(**replaced), project)


def save(path: Path, pixels: np.ndarray | Image.Image, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    picture.save(path, **options)
    return path


def all_images(found: SourceData, name: str) -> torch.Tensor:
    """Images of a class in both splits."""
    return torch.cat([part.images[part.labels == part.classes.index(name)] for part in (found.train, found.test)])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four reddish pictures of 6 x 6 pixels in each of the classes cat and dog."""
    for label, name in enumerate(("cat", "dog")):
        for number in range(4):
            save(
                tmp_path / "pictures" / name / f"{number}.png", np.full((6, 6, 3), (200, 10 * label, number), np.uint8)
            )
    return tmp_path / "pictures"


# folders and classes


def test_folders_are_classes_and_are_split_in_proportion(tmp_path, pictures) -> None:
    found = read(tmp_path)
    assert found.train.classes == found.test.classes == ("cat", "dog")
    assert found.train.labels.bincount().tolist() == [3, 3]
    assert found.test.labels.bincount().tolist() == [1, 1]
    assert found.train.image_shape == found.test.image_shape == (3, 6, 6)
    for label, name in enumerate(("cat", "dog")):
        expected = torch.tensor([[200, 10 * label, number] for number in range(4)], dtype=torch.uint8)
        images = all_images(found, name)
        corners = images[:, :, 0, 0]
        assert_close(corners[corners[:, 2].argsort()], expected, rtol=0, atol=0)
        assert_close(images, corners[:, :, None, None].expand_as(images), rtol=0, atol=0)
    assert found.origin == pictures.name
    assert found.licence == "not stated"
    assert found.reading == {"mode": "colour, as it was found", "left_out": {}, "changed": {}}


def test_the_split_of_a_folder_depends_only_on_the_random_generator(tmp_path, pictures) -> None:
    first, again, other = (read(tmp_path, seed, test_fraction=0.5) for seed in (1, 1, 2))
    assert first.test.digest() == again.test.digest()
    assert first.test.digest() != other.test.digest()


def test_classes_are_sorted_the_way_people_count(tmp_path) -> None:
    names = ["10", "2", "1", "NA", "null", "ümläut", "class 11", "class 9", "007"]
    for name in names:
        for number in range(2):
            save(tmp_path / "pictures" / name / f"{number}.png", np.zeros((4, 4), np.uint8))
    found = read(tmp_path, test_fraction=0.5)
    assert found.train.classes == ("1", "2", "007", "10", "NA", "class 9", "class 11", "null", "ümläut")


@pytest.mark.parametrize("names", [("train", "test"), ("train", "valid"), ("test",)])
def test_folders_named_like_splits_are_not_taken_for_classes(tmp_path, names) -> None:
    for name in names:
        save(tmp_path / "pictures" / name / "cat" / "0.png", np.zeros((4, 4), np.uint8))
    assert "its folders are named like splits" in refusal(tmp_path)


def test_a_name_comes_before_the_same_name_with_a_number() -> None:
    assert sorted(["cat2", "cat", "cat 10", "cat 9"], key=natural_key) == ["cat", "cat2", "cat 9", "cat 10"]


def test_pictures_without_folders_have_a_single_class(tmp_path) -> None:
    for number in range(4):
        save(tmp_path / "pictures" / f"{number}.png", np.full((4, 4), number, np.uint8))
    found = read(tmp_path)
    assert found.train.classes == ("picture",)
    assert (len(found.train), len(found.test)) == (3, 1)


def test_pictures_deeper_in_a_class_folder_belong_to_the_class(tmp_path, pictures) -> None:
    save(pictures / "cat" / "winter" / "0.png", np.zeros((6, 6, 3), np.uint8))
    assert len(all_images(read(tmp_path), "cat")) == 5


def test_every_file_that_is_left_out_is_counted_with_the_reason(tmp_path, pictures) -> None:
    expected = read(tmp_path)
    save(pictures / ".ipynb_checkpoints" / "0.png", np.zeros((5, 5), np.uint8))
    for path in ("cat/._0.png", ".DS_Store", "cat/notes.txt", "cat/README", "dog/clip.MP4", "dog/sheet.pdf"):
        (pictures / path).write_bytes(b"no picture")
    save(pictures / "loose.png", np.zeros((5, 5), np.uint8))
    (pictures / "fox").mkdir()
    (pictures / "dog" / "again").symlink_to(pictures / "cat")
    found = read(tmp_path)
    assert found.train.digest() == expected.train.digest()
    assert found.reading["left_out"] == {
        ".mp4: no picture that is read": 1,
        ".pdf: no picture that is read": 1,
        ".txt: no picture that is read": 1,
        "folders without pictures": 1,
        "hidden files": 2,
        "hidden folders": 1,
        "links to folders": 1,
        "no ending: no picture that is read": 1,
        "outside the class folders": 1,
    }


def test_a_missing_folder_an_empty_one_and_one_without_pictures_are_refused(tmp_path, pictures) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    assert "there is no such folder" in refusal(tmp_path, path="missing")
    assert "it is not a folder" in refusal(tmp_path, path="pictures/cat/0.png")
    assert "it holds no pictures (it is empty)" in refusal(tmp_path, path="empty")
    assert "it holds no pictures (1 x .txt: no picture that is read)" in refusal(tmp_path, path="texts")


def test_a_link_out_of_the_folder_is_refused_and_one_within_it_is_read(tmp_path, pictures) -> None:
    outside = save(tmp_path / "secret.png", np.zeros((6, 6, 3), np.uint8))
    (pictures / "cat" / "4.png").symlink_to(pictures / "cat" / "0.png")
    assert len(all_images(read(tmp_path), "cat")) == 5
    (pictures / "cat" / "5.png").symlink_to(outside)
    message = refusal(tmp_path)
    assert f"{pictures / 'cat/5.png'} is a link that leads out of the folder, to {outside}" in message


def test_a_folder_that_links_to_itself_is_read_once(tmp_path, pictures) -> None:
    (pictures / "cat" / "loop").symlink_to(pictures)
    assert len(all_images(read(tmp_path), "cat")) == 4


def test_a_name_that_is_no_utf_8_is_refused(tmp_path, pictures) -> None:
    (pictures / "cat" / "0.png").rename(os.fsdecode(bytes(pictures / "cat") + b"/\xff.png"))
    assert r"the name '\udcff.png' is not UTF-8" in refusal(tmp_path)


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.9, 0.99])
def test_a_fraction_that_leaves_a_class_out_of_a_split_is_refused(tmp_path, pictures, fraction) -> None:
    message = refusal(tmp_path, test_fraction=fraction)
    assert message.startswith(f"data.source.test_fraction: {fraction} of 8 images sets aside all or none of the class ")
    smallest = float(message.removesuffix(".").rpartition(" ")[2])
    found = read(tmp_path, test_fraction=smallest)
    assert found.train.labels.unique().tolist() == found.test.labels.unique().tolist() == [0, 1]


# kinds and modes


@pytest.mark.parametrize(
    "name", ["a.png", "a.PNG", "a.bmp", "a.tiff", "a.TIF", "a.gif", "a.webp", "a.ppm", "a.tga", "a.jp2"]
)
def test_lossless_kinds_are_read_exactly(tmp_path, name) -> None:
    values = np.random.default_rng(0).choice(np.array([0, 60, 120, 255], np.uint8), (8, 8, 3))
    options = {"lossless": True} if name.endswith("webp") else {}
    for number in range(2):
        save(tmp_path / "pictures" / str(number) / name, values, **options)
        save(tmp_path / "pictures" / str(number) / f"b{name}", values, **options)
    images = read(tmp_path, test_fraction=0.5).train.images
    assert_close(images, torch.from_numpy(values).permute(2, 0, 1).expand(2, 3, 8, 8), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["a.jpg", "a.JFIF", "a.jpeg", "a.avif"])
def test_lossy_kinds_are_read_nearly(tmp_path, name) -> None:
    values = np.full((16, 16, 3), (200, 90, 30), np.uint8)
    for number in range(2):
        save(tmp_path / "pictures" / f"{number}{name}", values, quality=95)
    images = read(tmp_path, test_fraction=0.5).train.images
    assert_close(images[0], torch.from_numpy(values).permute(2, 0, 1), rtol=0, atol=4)


def one_picture(project: Path, picture: Image.Image | np.ndarray, kind: str = "png", **fields: Any) -> SourceData:
    """A source of the same picture twice."""
    options = fields.pop("options", {})
    for number in range(2):
        save(project / "pictures" / f"{number}.{kind}", picture, **options)
    return read(project, test_fraction=0.5, **fields)


def test_grey_and_colour_together_are_colour_unless_grey_is_asked_for(tmp_path, pictures) -> None:
    for number in range(4):
        save(pictures / "cat" / f"{number}.png", np.full((6, 6), 77, np.uint8))
    found = read(tmp_path)
    assert found.train.image_shape == (3, 6, 6)
    assert all_images(found, "cat").unique().tolist() == [77]
    assert found.reading == {"mode": "colour, as it was found", "left_out": {}, "changed": {"grey to colour": 4}}
    grey = read(tmp_path, mode="grey")
    assert grey.train.image_shape == (1, 6, 6)
    assert set(all_images(grey, "dog").unique().tolist()) == {66}  # 0.299 x 200 + 0.587 x 10, and at most 0.3 for blue
    assert grey.reading == {"mode": "grey", "left_out": {}, "changed": {"colour to grey": 4}}


def test_grey_alone_is_grey_unless_colour_is_asked_for(tmp_path) -> None:
    grey = one_picture(tmp_path, np.full((4, 4), 77, np.uint8))
    assert grey.train.image_shape == (1, 4, 4)
    assert grey.reading["mode"] == "grey, as it was found"
    colour = read(tmp_path, test_fraction=0.5, mode="colour")
    assert colour.train.image_shape == (3, 4, 4)
    assert colour.train.images.unique().tolist() == [77]


def test_one_bit_becomes_black_and_white(tmp_path) -> None:
    bits = np.array([[True, False], [False, True]]).repeat(2, 0).repeat(2, 1)
    images = one_picture(tmp_path, Image.fromarray(bits)).train.images
    assert_close(images[0, 0], torch.from_numpy(bits.astype(np.uint8) * 255), rtol=0, atol=0)


def test_16_bits_become_8_by_rounding(tmp_path) -> None:
    deep = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    found = one_picture(tmp_path, deep)
    assert_close(found.train.images[0, 0], torch.arange(256).to(torch.uint8).view(16, 16), rtol=0, atol=0)
    assert found.reading["changed"] == {"16 to 8 bits": 2}


def test_floats_are_refused(tmp_path) -> None:
    save(tmp_path / "pictures" / "0.tiff", np.full((4, 4), 0.5, np.float32))
    assert "its mode is F, which is not read" in refusal(tmp_path)


def test_palettes_and_cmyk_become_rgb(tmp_path) -> None:
    colours = np.zeros((4, 4, 3), np.uint8)
    colours[:2, :, 0], colours[2:, :, 2] = 255, 255
    found = one_picture(tmp_path, Image.fromarray(colours).quantize(2))
    assert_close(found.train.images[0], torch.from_numpy(colours).permute(2, 0, 1), rtol=0, atol=0)
    assert found.reading["changed"] == {"palette to RGB": 2}
    print_colours = one_picture(tmp_path / "print", Image.fromarray(colours).convert("CMYK"), "tiff")
    assert_close(print_colours.train.images[0], torch.from_numpy(colours).permute(2, 0, 1), rtol=0, atol=0)
    assert print_colours.reading["changed"] == {"CMYK to RGB": 2}


def test_the_first_frame_of_an_animation_is_read_and_said_to_be(tmp_path) -> None:
    frames = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (10, 200)]
    found = one_picture(tmp_path, frames[0], "gif", options={"save_all": True, "append_images": frames[1:]})
    assert found.train.images.unique().tolist() == [10]
    assert found.reading["changed"]["first frame of several"] == 2


def test_a_photograph_is_turned_as_its_exif_orientation_says(tmp_path) -> None:
    upright = np.zeros((6, 4), np.uint8)
    upright[0] = 255  # a light upper edge
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    found = one_picture(tmp_path, Image.fromarray(np.rot90(upright).copy()), options={"exif": exif})
    assert_close(found.train.images[0, 0], torch.from_numpy(upright), rtol=0, atol=0)
    assert found.reading["changed"] == {"turned as its EXIF orientation says": 2}


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_tiff_is_turned_too(tmp_path, compression) -> None:
    stored = np.arange(32, dtype=np.uint8).reshape(4, 8)
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} | ({"compression": compression} if compression else {})
    found = one_picture(tmp_path, stored, "tiff", options=options)
    assert_close(found.train.images[0, 0], torch.from_numpy(np.rot90(stored, -1).copy()), rtol=0, atol=0)


@pytest.mark.parametrize("orientation", [0, 1, 9])
def test_an_orientation_that_asks_for_nothing_changes_nothing(tmp_path, orientation) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = one_picture(tmp_path, np.zeros((4, 6), np.uint8), options={"exif": exif})
    assert found.train.image_shape == (1, 4, 6)
    assert found.reading["changed"] == {}


# transparency


def test_transparency_needs_a_background(tmp_path) -> None:
    for number in range(2):
        save(tmp_path / "pictures" / f"{number}.png", np.full((4, 4, 4), (9, 9, 9, 0), np.uint8))
    message = refusal(tmp_path)
    assert "2 of the files cannot be read as pictures" in message
    assert f"{tmp_path / 'pictures/0.png'}: it is transparent" in message
    assert "data.source.background, such as white" in message


@pytest.mark.parametrize(
    ("background", "expected"), [("white", (255, 128, 128)), ("#000000", (127, 0, 0)), ("lime", (127, 128, 0))]
)
def test_half_transparent_red_lies_on_the_background(tmp_path, background, expected) -> None:
    red = np.full((4, 4, 4), (255, 0, 0, 127), np.uint8)
    found = one_picture(tmp_path, red, background=background)
    assert_close(found.train.images[0, :, 0, 0].int(), torch.tensor(expected, dtype=torch.int32), rtol=0, atol=1)
    assert found.reading["changed"] == {"transparency laid on the background": 2}


def test_an_opaque_alpha_is_dropped_without_a_word(tmp_path) -> None:
    found = one_picture(tmp_path, np.full((4, 4, 4), (9, 8, 7, 255), np.uint8))
    assert found.train.images[0, :, 0, 0].tolist() == [9, 8, 7]
    assert found.reading["changed"] == {}


def test_grey_with_transparency_stays_grey_on_grey_and_becomes_colour_on_colour(tmp_path) -> None:
    half = Image.fromarray(np.full((4, 4, 2), (100, 0), np.uint8), "LA")
    assert one_picture(tmp_path, half, background="white").train.images.unique().tolist() == [255]
    assert read(tmp_path, test_fraction=0.5, background="white").train.image_shape == (1, 4, 4)
    red = read(tmp_path, test_fraction=0.5, background="red")
    assert red.train.images[0, :, 0, 0].tolist() == [255, 0, 0]


def test_a_grey_value_that_stands_for_transparent_lies_on_the_background(tmp_path) -> None:
    values = np.array([[10, 200], [200, 10]], np.uint8)
    shallow = one_picture(tmp_path / "8", values, background="white", options={"transparency": 10})
    assert shallow.train.images[0, 0].tolist() == [[255, 200], [200, 255]]
    deep = one_picture(tmp_path / "16", values * np.uint16(257), background="black", options={"transparency": 2570})
    assert deep.train.images[0, 0].tolist() == [[0, 200], [200, 0]]
    unused = one_picture(tmp_path / "unused", values, options={"transparency": 77})
    assert unused.train.image_shape == (1, 2, 2)


def test_a_transparent_colour_of_a_palette_lies_on_the_background(tmp_path) -> None:
    colours = np.zeros((4, 4, 3), np.uint8)
    colours[:2] = 255
    palette = Image.fromarray(colours).quantize(2)
    found = one_picture(tmp_path, palette, "gif", background="lime", options={"transparency": palette.getpixel((0, 3))})
    assert found.train.images[0, :, 3, 0].tolist() == [0, 255, 0]
    assert found.train.images[0, :, 0, 0].tolist() == [255, 255, 255]


# sizes


def test_unequal_sizes_are_refused_with_the_two_commonest_and_the_line_to_add(tmp_path, pictures) -> None:
    for path, shape in {"cat/2.png": (5, 4), "dog/0.png": (5, 4), "dog/1.png": (8, 8)}.items():
        save(pictures / path, np.zeros((*shape, 3), np.uint8))
    message = refusal(tmp_path)
    assert "pictures of 3 sizes, most often 6 x 6 (5) and 4 x 5 (2) pixels; " in message
    assert "data.source.size, such as 32" in message


def test_pictures_that_are_not_square_are_read_as_they_are(tmp_path) -> None:
    assert one_picture(tmp_path, np.zeros((6, 4), np.uint8)).train.image_shape == (1, 6, 4)


def wide() -> np.ndarray:
    """8 x 16: a black quarter, two grey ones, a white one."""
    return np.array([0, 100, 100, 255], np.uint8).repeat(4)[None].repeat(8, 0)


def test_a_crop_keeps_the_middle(tmp_path) -> None:
    found = one_picture(tmp_path, wide(), size=8)
    assert found.train.image_shape == (1, 8, 8)
    assert found.train.images.unique().tolist() == [100]
    assert found.reading["changed"] == {"cropped and resized": 2}


@pytest.mark.parametrize(("background", "margin"), [(None, 0), ("white", 255)])
def test_padding_keeps_everything_between_margins(tmp_path, background, margin) -> None:
    found = one_picture(tmp_path, wide(), size=16, fit="pad", background=background)
    image = found.train.images[0, 0]
    assert_close(image[4:12], torch.from_numpy(wide()), rtol=0, atol=0)
    assert torch.cat([image[:4], image[12:]]).unique().tolist() == [margin]


def test_margins_of_a_colour_make_a_grey_picture_colour(tmp_path) -> None:
    image = one_picture(tmp_path, wide(), size=16, fit="pad", background="red").train.images[0]
    assert image[:, 0, 0].tolist() == [255, 0, 0]
    assert image[:, 8, 0].tolist() == [0, 0, 0]


def test_stretching_keeps_everything(tmp_path) -> None:
    image = one_picture(tmp_path, wide(), size=[8, 4], fit="stretch").train.images[0, 0]
    assert image.shape == (8, 4)
    assert_close(image[0].int(), torch.tensor([0, 100, 100, 255], dtype=torch.int32), rtol=0, atol=20)


def test_making_smaller_is_antialiased(tmp_path) -> None:
    """Stripes of a pixel each become their mean, and no coarser pattern."""
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    image = one_picture(tmp_path, stripes, size=8).train.images[0, 0]
    assert_close(image.float(), torch.full((8, 8), 127.5), rtol=0, atol=5)


@pytest.mark.parametrize("field", [{"size": 0}, {"size": [8]}, {"fit": "squeeze"}, {"background": "octarine"}])
def test_forms_that_are_none_are_refused(field) -> None:
    with pytest.raises(ValueError, match=next(iter(field))):
        folder_source(**field)


# broken and hostile files


def test_broken_files_are_named_together(tmp_path, pictures) -> None:
    whole = (pictures / "cat" / "0.png").read_bytes()
    broken = {"cat/1.png": b"", "cat/2.png": whole[:40], "dog/0.png": b"text", "dog/a.jpg": b"\xff\xd8\xff"}
    for path, content in broken.items():
        (pictures / path).write_bytes(content)
    message = refusal(tmp_path)
    assert "4 of the files cannot be read as pictures" in message
    for path in broken:
        assert f"{pictures / path}: " in message
    assert f"{pictures / 'cat/1.png'}: it is empty" in message


def test_a_long_reading_tells_how_far_it_is(tmp_path, pictures, monkeypatch, caplog) -> None:
    monkeypatch.setattr("gan_pipelines.progress.FIRST_LINE_SECONDS", -1)
    with caplog.at_level("INFO"), progress.under_way("1 of 3 data.prepare_images"):
        read(tmp_path)
    assert caplog.messages[0].startswith("1 of 3 data.prepare_images: read 8/8, ")


def test_of_many_broken_files_the_first_are_named_and_the_others_counted(tmp_path) -> None:
    for number in range(9):
        save(tmp_path / "pictures" / f"{number}.png", np.zeros((2, 2), np.uint8)).write_bytes(b"")
    message = refusal(tmp_path)
    assert message.count("it is empty") == 5
    assert "; and 4 more; " in message


def test_a_picture_of_absurd_size_is_refused_before_it_is_decoded(tmp_path) -> None:
    save(tmp_path / "pictures" / "0.png", Image.new("1", (10_000, 7_000)))
    assert "10000 x 7000 pixels are more than 67108864" in refusal(tmp_path)


def test_more_pictures_than_fit_are_refused_before_they_are_decoded(tmp_path, pictures, monkeypatch) -> None:
    memory = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory._replace(available=2**21))
    assert "8 pictures of 500 x 500 pixels need 11 MiB, and 2 MiB of memory are free" in refusal(tmp_path, size=500)
    assert len(read(tmp_path).train) == 6


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, pictures, monkeypatch) -> None:
    path, normalise = pictures / "cat" / "0.png", module._normalise

    def change(picture: Image.Image, *arguments: Any) -> Any:
        read = normalise(picture, *arguments)
        os.utime(path, (0, 0))
        return read

    monkeypatch.setattr(module, "_normalise", change)
    assert f"{path}: it changed while it was read" in refusal(tmp_path)


def test_a_pipe_named_like_a_picture_is_refused(tmp_path, pictures) -> None:
    os.mkfifo(pictures / "cat" / "pipe.png")
    assert f"{pictures / 'cat/pipe.png'}: it is no regular file" in refusal(tmp_path)


def test_a_program_for_printers_is_not_run(tmp_path, pictures) -> None:
    """Pillow would hand EPS to Ghostscript."""
    save(pictures / "cat" / "page.eps", Image.new("RGB", (6, 6)))
    (pictures / "cat" / "page.eps").rename(pictures / "cat" / "page.png")
    assert f"{pictures / 'cat/page.png'}: cannot identify image file it" in refusal(tmp_path)
