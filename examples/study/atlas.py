"""An atlas of the hippocampus: how often each of its parts lies at each place, over images that no site trains or is tested on."""

import hashlib

import nibabel
import numpy

from phantoms.sites import write_sites
from study import public_sets
from study.data import SOURCES
from study.site_folder import SITES

NAME = "hippocampus-map"
PHANTOMS = 6  # patients of each synthetic scanner


def masks_of(example, data, folder):
    """The label files that the atlas is made of."""
    if data == "phantom":
        parts = write_sites(folder / "atlas/parts", example.name, (PHANTOMS, 0, 0), SITES, seed=98)
        return [site.folder / row[3] for site in parts.values() for row in site.rows]
    images = sorted((data / "msd-hippocampus/images").glob("*.nii.gz"))
    dealt = {image for _, _, image in public_sets.dealt(images, **SOURCES[example.name].shares)}
    return [data / "msd-hippocampus/labels" / image.name for image in images if image not in dealt]


def smooth(shares):
    """The mean over each voxel and its neighbours along the three axes, so that few images give no hard edges."""
    for axis in range(3):
        padded = numpy.pad(shares, [(1, 1) if at == axis else (0, 0) for at in range(shares.ndim)], "edge")
        length = shares.shape[axis]
        shares = sum(numpy.take(padded, range(at, at + length), axis) for at in range(3)) / 3
    return shares


def add_atlas(example, data, folder):
    """Writes the atlas below `folder`, a map for each class but the background, and lets the example's job name it."""
    files = [nibabel.load(file) for file in masks_of(example, data, folder)]
    labels = [numpy.asarray(file.dataobj).round().astype(int) for file in files]
    parts = example.job["model"]["classes"] - 1
    shares = numpy.zeros((*numpy.max([label.shape for label in labels], axis=0), parts), numpy.float32)
    for label in labels:
        for part in range(parts):
            shares[tuple(map(slice, label.shape)) + (part,)] += (label == part + 1) / len(labels)
    example.atlas = folder / "atlas" / f"{NAME}.nii"
    example.atlas.parent.mkdir(parents=True, exist_ok=True)
    # Every image of a set begins at the same place, so that they can be laid on each other as they are.
    example.atlas.write_bytes(nibabel.Nifti1Image(smooth(shares).astype(numpy.float32), files[0].affine).to_bytes())
    digest = hashlib.sha256(example.atlas.read_bytes()).hexdigest()
    example.job["data"]["atlas"] = {"name": NAME, "sha256": digest, "channels": parts}
    example.job["model"]["input"][0] += parts
