"""A picture of the sites' first test images, a row a site, with the outlines of their masks."""

import nibabel
import numpy
import pydicom
from PIL import Image

COLOURS = [(255, 60, 60), (60, 220, 60)]


def pixels(file):
    """A file's image as numbers; of a volume the middle plane."""
    if file.suffix == ".nii":
        return numpy.asarray(nibabel.load(file).dataobj)[16].T[::-1]
    if file.suffix == ".dcm":
        return pydicom.dcmread(file).pixel_array
    return numpy.asarray(Image.open(file))


def outlined(image, mask):
    """The image in 8-bit colours, brightest value white, with the border of each class of the mask."""
    grey = numpy.clip(image * (255.0 / numpy.percentile(image, 99.5)), 0, 255)
    made = numpy.stack([grey] * 3, -1) if grey.ndim == 2 else grey.copy()
    if mask is not None:
        for value, colour in zip(numpy.unique(mask[mask > 0]), COLOURS):
            made[border(numpy.pad(mask == value, 1))] = colour
    return made.astype(numpy.uint8)


def border(inside):
    """The pixels of a padded region that have a neighbour outside of it."""
    core = inside[1:-1, 1:-1]
    return core & ~(inside[2:, 1:-1] & inside[:-2, 1:-1] & inside[1:-1, 2:] & inside[1:-1, :-2])


def write_picture(sites, file, across=7, side=72):
    """Writes a PNG with `across` images of each site, `side` pixels each."""
    rows = []
    for site in sites:
        chosen = [row for row in site.rows if row[1] == "test"][:across]
        tiles = []
        for name, _, _, label in chosen:
            mask = pixels(site.folder / label) if site.columns[3] == "mask" else None
            tile = Image.fromarray(outlined(pixels(site.folder / name), mask))
            tile.thumbnail((side, side))
            tiles.append(numpy.asarray(tile))
        rows.append(numpy.concatenate(tiles, 1))
    picture = Image.fromarray(numpy.concatenate(rows)).quantize(32, dither=Image.Dither.NONE)
    picture.save(file, optimize=True)
