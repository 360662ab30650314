"""Files of handwritten digits as they are downloaded, and as they are when something went wrong."""

import gzip

import numpy as np
import pytest

from tests.tasks.attending import data, write_idx
from tinyaug.data import mnist

pytestmark = pytest.mark.host

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 28, 28)).astype(np.uint8)
LABELS = np.arange(10, dtype=np.uint8)


def folder(path, name="t10k", images=IMAGES, labels=LABELS):
    write_idx(path / f"{name}-images-idx3-ubyte", images)
    write_idx(path / f"{name}-labels-idx1-ubyte", labels)
    return path


def test_of_a_single_pair_of_files_every_fifth_digit_is_for_testing(tmp_path):
    (images, labels), (unseen, answers) = mnist.read(folder(tmp_path))
    assert labels.tolist() == [0, 1, 2, 3, 5, 6, 7, 8] and answers.tolist() == [4, 9]
    assert (images == IMAGES[labels]).all() and (unseen == IMAGES[answers]).all()


def test_by_the_standard_names_one_is_for_training_and_of_the_other_every_fifth_for_testing(tmp_path):
    folder(tmp_path), folder(tmp_path, "train", IMAGES[:7], LABELS[:7])
    for file in list(tmp_path.glob("t10k*")):
        file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    training, testing = mnist.read(tmp_path)
    assert (training[0] == IMAGES[:7]).all() and testing[1].tolist() == [4, 9]


@pytest.mark.parametrize("spoil, says", [
    (lambda x: x[:5000], "t10k-images-idx3-ubyte: got 4984 bytes of data, expected 7840 for 10 x 28 x 28: it is cut short"),
    (lambda x: x + b"more", "got 7844 bytes of data, expected 7840 for 10 x 28 x 28: it is another file"),
    (lambda x: b"\x00\x00\x08\x01" + x[4:], "expected an idx file that begins with 2051, got 2049"),
    (lambda x: b"", "expected an idx file that begins with 2051, got nothing"),
    (lambda x: gzip.compress(x)[:300], ".gz: expected a whole gzip file, got"),
    (lambda x: b"no gzip", ".gz: expected a whole gzip file, got"),
])
def test_a_file_that_is_not_whole_is_named(tmp_path, spoil, says):
    file = folder(tmp_path) / "t10k-images-idx3-ubyte"
    content = spoil(file.read_bytes())
    if ".gz" in says:
        file.unlink()
        file = file.with_name(file.name + ".gz")
        (tmp_path / "t10k-labels-idx1-ubyte").rename(tmp_path / "t10k-labels-idx1-ubyte.gz")
    file.write_bytes(content)
    with pytest.raises(ValueError) as error:
        mnist.read(tmp_path)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_files_that_do_not_belong_together_are_named(tmp_path):
    with pytest.raises(ValueError, match="expected a folder with files such as t10k-images-idx3-ubyte.gz, got none"):
        mnist.read(tmp_path)
    folder(tmp_path, labels=LABELS[:9])
    with pytest.raises(ValueError, match="t10k-labels-idx1-ubyte: got 9 labels, expected 10, one for each image"):
        mnist.read(tmp_path)
    folder(tmp_path, images=IMAGES[:, :20])
    with pytest.raises(ValueError, match="expected 28 x 28 and 0 .. 9"):
        mnist.read(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(ValueError, match="expected t10k-labels-idx1-ubyte beside it, got none"):
        mnist.read(tmp_path)


def test_the_public_digits_are_read():
    (images, labels), (unseen, answers) = mnist.read(data("mnist"))
    assert images.shape == (6400, 28, 28) and len(unseen) == 1600
    assert np.bincount(answers, minlength=10).min() > 100 and images.max() == 255
