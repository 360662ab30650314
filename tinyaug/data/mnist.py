"""Handwritten digits (LeCun et al. 1998) in idx files, and pictures some of them on a canvas, with what stands where."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from tinyaug.data.symbols import Alphabet, Pair

__all__ = ["CELL", "GRID", "WORDS", "read", "read_idx", "canvases", "turned"]

CELL, GRID = 14, 3              # pixels of a cell's side, half of a digit's 28; cells of a canvas's side
NAMES = "zero one two three four five six seven eight nine".split()
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
WORDS = Alphabet([*NAMES, *ROWS, *COLUMNS])
IMAGES, LABELS = 2051, 2049     # magic numbers: unsigned bytes with three axes, and with one


def read(path):
    """((images, labels) for training, the same for testing).

    path: a folder with pairs of files `...images-idx3-ubyte` and `...labels-idx1-ubyte` (also gzip). Every fifth digit of
    `t10k...`, or of the one pair there is, is for testing; the others are for training, unless `train...` is there too. The
    weights that are shipped were trained on such others of `t10k`.
    raises: ValueError that names the file and what is wrong with it
    """
    path, sets = Path(path), {}
    for file in sorted(path.glob("*images-idx3-ubyte*")) if path.is_dir() else []:
        partner = path / file.name.replace("images-idx3", "labels-idx1")
        if not partner.exists():
            raise ValueError(f"{file}: expected {partner.name} beside it, got none")
        images, labels = read_idx(file, IMAGES), read_idx(partner, LABELS)
        if len(images) != len(labels):
            raise ValueError(f"{partner}: got {len(labels)} labels, expected {len(images)}, one for each image")
        if images.shape[1:] != (2 * CELL, 2 * CELL) or labels.size and labels.max() > 9:
            raise ValueError(f"{file}: got images of {images.shape[1:]} or labels over 9, expected 28 x 28 and 0 .. 9")
        sets[file.name] = images, labels
    if not sets:
        raise ValueError(f"{path}: expected a folder with files such as t10k-images-idx3-ubyte.gz, got none")
    training = [found for name, found in sets.items() if name.startswith("train")]
    testing = [found for name, found in sets.items() if not name.startswith("train")]
    images, labels = (testing or training)[0]
    held = np.arange(len(images)) % 5 == 4
    rest = training[0] if training and testing else (images[~held], labels[~held])
    return rest, (images[held], labels[held])


def read_idx(path, magic):
    """The array of an idx file of unsigned bytes. raises: ValueError where it is another file, cut short, or too long"""
    try:
        content = (gzip.open if str(path).endswith(".gz") else open)(path, "rb").read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: expected a whole gzip file, got {error}") from None
    axes = magic % 256
    if len(content) < 4 * (1 + axes) or struct.unpack(">I", content[:4])[0] != magic:
        first = struct.unpack(">I", content[:4])[0] if len(content) > 3 else "nothing"
        raise ValueError(f"{path}: expected an idx file that begins with {magic}, got {first}")
    shape = struct.unpack(f">{axes}I", content[4:4 * (1 + axes)])
    wanted, got = int(np.prod(shape)), len(content) - 4 * (1 + axes)
    if got != wanted:
        raise ValueError(f"{path}: got {got} bytes of data, expected {wanted} for {' x '.join(map(str, shape))}: it is "
                         f"{'cut short' if got < wanted else 'another file'}")
    return np.frombuffer(content, np.uint8, offset=4 * (1 + axes)).reshape(shape)


def turned(rng, images):
    """Images (n, 28, 28), each turned by up to 14 degrees and made up to an eighth larger or smaller: more hands."""
    n, side = len(images), images.shape[1]
    angle, size = (rng.uniform(*ends, (n, 1, 1)).astype(np.float32) for ends in ((-0.25, 0.25), (7 / 8, 9 / 8)))
    y, x = np.mgrid[:side, :side].astype(np.float32) - (side - 1) / 2
    at = [np.clip((part / size + (side - 1) / 2), 0, side - 1.001)
          for part in (y * np.cos(angle) - x * np.sin(angle), y * np.sin(angle) + x * np.cos(angle))]
    (top, left), rows = (part.astype(np.intp) for part in at), np.arange(n)[:, None, None]
    down, right = at[0] - top, at[1] - left
    return ((1 - down) * ((1 - right) * images[rows, top, left] + right * images[rows, top, left + 1])
            + down * ((1 - right) * images[rows, top + 1, left] + right * images[rows, top + 1, left + 1]))


def canvases(rng, n, images, labels, turn=False):
    """pictures (n, 42, 42, 1) in 0 .. 1 and n Pairs: the cells, and the words "seven top left three middle right".

    One or two digits, each in a cell of its own, up to three of its 28 pixels off the middle; then two by two pixels become
    one. The upper digit is named first, of one row the left one. The places of a Pair are those of the
    digits' names: where one stands may be known from before. turn: see `turned`
    """
    side = 2 * CELL * GRID
    pictures, pairs = np.zeros((n, side + 8, side + 8), np.float32), []
    chosen = rng.integers(len(images), size=(n, 2))
    digits = images[chosen.ravel()] / np.float32(255)
    digits = (turned(rng, digits) if turn else digits).reshape(n, 2, 2 * CELL, 2 * CELL)
    for picture, images_, named in zip(pictures, digits, labels[chosen]):
        cells = sorted(rng.choice(GRID * GRID, int(rng.integers(1, 3)), replace=False).tolist())
        words = []
        for cell, image, label in zip(cells, images_, named):
            (row, column), (down, right) = divmod(cell, GRID), rng.integers(1, 8, 2)
            top, left = 2 * CELL * row + down, 2 * CELL * column + right
            picture[top:top + 2 * CELL, left:left + 2 * CELL] += image
            words += [NAMES[label], ROWS[row], COLUMNS[column]]
        pairs.append(Pair(cells, words, [where for cell in cells for where in ({cell}, None, None)]))
    pictures = np.minimum(pictures[:, 4:-4, 4:-4], 1)
    return pictures.reshape(n, GRID * CELL, 2, GRID * CELL, 2).mean(axis=(2, 4))[..., None], pairs
