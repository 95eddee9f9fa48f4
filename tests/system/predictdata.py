"""Synthetic files for the tests of `consilium-trainer predict`: volumes with bright blobs as NIfTI and as DICOM series, and their masks."""

import datetime
import random

import nibabel
import numpy
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (CTImageStorage, ExplicitVRLittleEndian, MultiFrameGrayscaleByteSecondaryCaptureImageStorage, SecondaryCaptureImageStorage,
                         generate_uid)

# Columns run to the head, rows to the left and slices to the front, all of it slightly oblique, so that no axis is another program's
# default.
ODD_AFFINE = numpy.array([[0.05, -1.2, 0.1, 31.0], [-0.1, 0.05, 2.0, -12.5], [0.8, 0.1, 0.05, 64.25], [0, 0, 0, 1.0]])


def blob(sides, seed):
    """Returns a volume of noise around 20 with one or two bright ellipsoids, and their mask; int16 and uint8, in `sides`."""
    draw = random.Random(seed)
    grid = numpy.stack(numpy.meshgrid(*[numpy.arange(side) for side in sides], indexing="ij"))
    mask = numpy.zeros(sides, bool)
    for _ in range(draw.randrange(1, 3)):
        radii = [max(2.0, side * draw.uniform(0.15, 0.25)) for side in sides]
        middle = [draw.uniform(radius, side - 1 - radius) for radius, side in zip(radii, sides)]
        mask |= sum(((grid[axis] - middle[axis]) / radii[axis]) ** 2 for axis in range(3)) <= 1
    noise = numpy.random.default_rng(seed).normal(20, 8, sides)
    return (noise + 160 * mask).clip(0, 400).astype(numpy.int16), mask.astype(numpy.uint8)


def write_nifti(file, values, affine, version=1):
    """Writes a volume. The affine goes into the sform, and its nearest quaternion form into the qform."""
    image = (nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image)(values, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1, strip_shears=True)
    image.header.set_xyzt_units("mm")
    file.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, file)


def write_series(folder, volume, spacing=(2.0, 0.7, 0.9), patient="P-0815"):
    """Writes a CT series, [slices, rows, columns], along an oblique normal, with files in another order than slices. Returns the data sets
    by position."""
    folder.mkdir(parents=True, exist_ok=True)
    row, column = numpy.array([1.0, 0.0, 0.0]), numpy.array([0.0, 0.8, 0.6])
    normal = numpy.cross(row, column)
    study, series, frame_of_reference = generate_uid(), generate_uid(), generate_uid()
    slices = []
    for index, pixels in enumerate(volume):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        number = (index * 7) % len(volume) if len(volume) % 7 else index
        file = folder / f"{number:03}.dcm"
        image = FileDataset(str(file), {}, file_meta=meta, preamble=bytes(128))
        image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        image.PatientName, image.PatientID, image.PatientBirthDate, image.PatientSex = "Muster^Erika", patient, "19500101", "F"
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, series, frame_of_reference
        image.StudyDate, image.StudyTime, image.StudyID, image.AccessionNumber = "20260101", "120000", "S1", "A1"
        image.ReferringPhysicianName, image.Modality, image.SeriesNumber, image.InstanceNumber = "", "CT", 3, number + 1
        image.ImageType, image.PositionReferenceIndicator, image.Manufacturer = ["ORIGINAL", "PRIMARY", "AXIAL"], "", "none"
        image.ContentDate, image.ContentTime = datetime.date(2026, 1, 1).strftime("%Y%m%d"), "120000"
        image.ImagePositionPatient = [round(float(x), 6) for x in numpy.array([-10.0, 4.0, 100.0]) + normal * spacing[0] * index]
        image.ImageOrientationPatient = [*row, *column]
        image.PixelSpacing, image.SliceThickness = [spacing[1], spacing[2]], spacing[0]
        image.Rows, image.Columns = pixels.shape
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
        image.RescaleIntercept, image.RescaleSlope = 0, 1
        image.PixelData = pixels.astype("<i2").tobytes()
        image.save_as(file, enforce_file_format=True)
        slices.append(image)
    return slices


def write_radiograph(file, pixels):
    """Writes a picture, or several frames of one, as a DICOM secondary capture: no position, no frame of reference, no spacing."""
    several = pixels.ndim == 3
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MultiFrameGrayscaleByteSecondaryCaptureImageStorage if several else SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = generate_uid(), ExplicitVRLittleEndian
    image = FileDataset(str(file), {}, file_meta=meta, preamble=bytes(128))
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    image.PatientName, image.PatientID, image.PatientBirthDate, image.PatientSex = "Muster^Erika", "P-1", "", ""
    image.StudyInstanceUID, image.SeriesInstanceUID, image.Modality, image.ConversionType = generate_uid(), generate_uid(), "OT", "WSD"
    image.StudyDate, image.StudyTime, image.StudyID, image.AccessionNumber, image.ReferringPhysicianName = "", "", "", "", ""
    image.SeriesNumber, image.InstanceNumber = 1, 1
    if several:
        image.NumberOfFrames = len(pixels)
    image.Rows, image.Columns = pixels.shape[-2:]
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
    image.PixelData = pixels.astype("u1").tobytes()
    image.save_as(file, enforce_file_format=True)


def read_segments(file):
    """Reads a DICOM segmentation. Returns the data set, and for each frame its segment's number, position, source instance, the number of
    the frame in that instance, and pixels."""
    segmentation = pydicom.dcmread(file)
    pixels = segmentation.pixel_array.reshape(-1, segmentation.Rows, segmentation.Columns)
    frames = []
    for index, groups in enumerate(segmentation.PerFrameFunctionalGroupsSequence):
        source = groups.DerivationImageSequence[0].SourceImageSequence[0]
        position = groups.PlanePositionSequence[0].ImagePositionPatient if "PlanePositionSequence" in groups else None
        frames.append({"segment": groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber, "position": position,
                       "source": source.ReferencedSOPInstanceUID, "number": source.get("ReferencedFrameNumber"), "pixels": pixels[index]})
    return segmentation, frames


def dice(left, right):
    left, right = numpy.asarray(left, bool), numpy.asarray(right, bool)
    return 2 * (left & right).sum() / max(1, left.sum() + right.sum())
