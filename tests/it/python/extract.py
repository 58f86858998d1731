"""Extracts a zip with Python's zipfile and prints its names in the archive's order.

Usage: extract.py ARCHIVE DIR
"""

import sys
import zipfile


def main(archive, folder):
    with zipfile.ZipFile(archive) as file:
        damaged = file.testzip()
        assert damaged is None, f"{damaged} is damaged"
        file.extractall(folder)
        print(*file.namelist(), sep="\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
