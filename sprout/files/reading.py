"""Text files that people give, plain or gzipped: read whole, or one clear error."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

from sprout.errors import InputError, NoInputError, PermissionDeniedError


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8, without a byte-order mark; one named .gz is unpacked.

    Line ends stay as they are.

    Raises:
        NoInputError: it is not there, or cannot be read.
        PermissionDeniedError: it may not be read.
        InputError: it is damaged, or no UTF-8.
    """
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        return data.decode("utf-8-sig")
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not gzip, or damaged") from error
    except EOFError as error:
        raise InputError(f"{path}: not whole gzip, cut off") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8: {error.reason}") from error
    except PermissionError as error:
        raise PermissionDeniedError(f"{path} may not be read") from error
    except OSError as error:
        raise NoInputError(f"{path} cannot be read: {error.strerror}") from error


def read_lines(path: Path) -> Iterator[str]:
    """Return the lines of such a file with their ends, as `csv` wants them."""
    return io.StringIO(read_text(path), newline="")
