"""Writes folders of synthetic images for several sites, in the layout of the examples' data sets."""

import io

import nibabel
import numpy
import pydicom
from PIL import Image

from phantoms import anatomy
from phantoms.scanner import Scanner
from study.site_folder import SITES, SiteFolder

SPLITS = ("train", "val", "test")


def png(values):
    """A PNG of values from 0 to 1, grey or colour, or of a mask."""
    file = io.BytesIO()
    Image.fromarray((values * 255).round().astype(numpy.uint8)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def nifti(values):
    """A compressed NIfTI file of voxels of 1 mm."""
    return nibabel.Nifti1Image(values, numpy.eye(4)).to_bytes()


def dicom(values, patient, number, spacing):
    """An MR image in DICOM with pixels of 12 bits."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = pydicom.uid.MRImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[patient, str(number)])
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    image = pydicom.Dataset()
    image.file_meta = meta
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[patient])
    image.SeriesInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[patient, "series"])
    image.Modality, image.PatientID, image.PatientName = "MR", patient, ""
    image.Rows, image.Columns = values.shape
    image.PixelSpacing, image.InstanceNumber = [spacing, spacing], number
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.PixelData = (values * 4095).round().astype("<u2").tobytes()
    file = io.BytesIO()
    image.save_as(file, enforce_file_format=True)
    return file.getvalue()


def write_brain(folder, scanner, patient, draw, name, number):
    image, label = anatomy.brain(scanner, patient, draw)
    file = f"{name}.nii"
    # MR has no unit: each image has a scale of its own
    return folder.put(file, nifti((image * draw.uniform(200, 3000)).astype(numpy.float32))), [folder.put(f"masks/{file}", nifti(label))]


def write_heart(folder, scanner, patient, draw, name, number):
    image, label = anatomy.heart(scanner, patient, draw)
    file = f"{name}-{number}"
    return folder.put(f"{file}.dcm", dicom(image, name, number, 2.5)), [folder.put(f"masks/{file}.png", png(label))]


def write_colon(folder, scanner, patient, draw, name, number):
    image, label = anatomy.colon(scanner, patient, draw)
    file = f"{name}-{number}.png"
    return folder.put(file, png(image)), [folder.put(f"masks/{file}", png(label))]


def write_chest(folder, scanner, patient, draw, name, number):
    """Every other patient is ill, so that all splits have as many of both."""
    image, ill = anatomy.chest(scanner, patient, draw, ill=int(name[-3:]) % 2 == 1)
    return folder.put(f"{name}-{number}.png", png(image)), ["pneumonia" if ill else "normal"]


def write_limb(folder, scanner, patient, draw, name, number):
    image, fractured = anatomy.limb(scanner, patient, draw, fractured=int(name[-3:]) % 2 == 1)
    return folder.put(f"{name}-{number}.png", png(image)), [str(fractured)]


SYSTEMS = {  # name: (what writes an image, images a patient, column of the label)
    "brain-mr": (write_brain, 1, "mask"), "cardiac-mr": (write_heart, 3, "mask"), "polyps": (write_colon, 2, "mask"),
    "radiographs": (write_chest, 1, "finding"), "limbs": (write_limb, 1, "finding")}


def write_site(folder, name, scanner, patients, draw):
    """Writes one site's images of so many patients in each split, and its table."""
    write, images, column = SYSTEMS[name]
    site, number = SiteFolder(folder, column), 0
    for split, count in zip(SPLITS, patients):
        for _ in range(count):
            patient, seed = f"{folder.name}-{number:03}", draw.integers(2**32)
            for image in range(images):
                file, values = write(site, scanner, numpy.random.default_rng(seed), numpy.random.default_rng([seed, image]), patient, image)
                site.add(file, split, patient, *values)
            number += 1
    site.close()
    return site


def write_sites(folder, name, patients, sites=SITES, seed=1):
    """Writes a folder for each site below `folder`; returns {site: SiteFolder}. The same arguments give the same bytes."""
    scanners = Scanner.of_sites(seed, len(sites))
    return {site: write_site(folder / site, name, scanner, patients, numpy.random.default_rng([seed, 2, at]))
            for at, (site, scanner) in enumerate(zip(sites, scanners))}
