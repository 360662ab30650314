"""Files of lines, as they are downloaded: plain, gzip or xz."""

import gzip
import lzma
from pathlib import Path

__all__ = ["lines"]


def lines(path):
    """(number, line) of a text file, from 1 on; what ends a line is left out.

    raises: ValueError `file:line: expected UTF-8 text, ..., got ...` where it is none, a folder, or one that is cut short
    """
    opener, number = {".gz": gzip.open, ".xz": lzma.open}.get(Path(path).suffix, open), 0
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                yield number, line.rstrip("\n")
    except IsADirectoryError:
        raise ValueError(f"{path}: expected a file of text, plain, gzip or xz, got a folder") from None
    except (UnicodeDecodeError, EOFError, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}:{number + 1}: expected UTF-8 text, plain, gzip or xz, got {error}") from None
