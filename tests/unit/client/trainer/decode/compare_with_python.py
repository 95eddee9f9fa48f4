#!/usr/bin/env python3
"""Decodes every DICOM and NIfTI file of a folder with consilium-decode, and with pydicom or nibabel, and compares the results.

  compare_with_python.py DECODER FOLDER...

A file that Python reads must decode to the same pixels, bit for bit unless it is compressed with loss. Two decoders of lossy JPEG can round
differently. Grey values can differ by 2 of 255, and those of colour images in YBR by 3, because a difference of 1 in chrominance makes one
of up to 1.772 in blue, and one of 1 in luminance is added to it. A file that Python refuses must be refused, with a message. Prints a line
for each file, and the sums.
"""

import gzip
import io
import pathlib
import sys
import warnings

import nibabel
import numpy
import pydicom
from pydicom.pixels import apply_color_lut

from decoder_client import Decoder, Died, Refused

LOSSY = {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.91"}
# Files that this decoder reads and pydicom doesn't, each with the reason.
READ_HERE_ALONE = {
    "JPEG-lossy.dcm": "JPEG of 12 bits whose marker of the end is misplaced",
}


def unpacked(path):
    content = path.read_bytes()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def sorted_frames(item, frames):
    """Returns the frames of a volume, ordered along their normal as the decoder orders them."""
    groups = getattr(item, "PerFrameFunctionalGroupsSequence", None)
    if not groups or len(groups) != len(frames):
        return frames
    shared = item.SharedFunctionalGroupsSequence[0] if "SharedFunctionalGroupsSequence" in item else None
    places = []
    for group in groups:
        orientation = group.get("PlaneOrientationSequence") or shared.get("PlaneOrientationSequence")
        if not orientation or "PlanePositionSequence" not in group:
            return frames
        axes = [float(x) for x in orientation[0].ImageOrientationPatient]
        normal = numpy.cross(axes[:3], axes[3:])
        places.append(float(numpy.dot(normal, [float(x) for x in group.PlanePositionSequence[0].ImagePositionPatient])))
    return frames[numpy.argsort(places, kind="stable")] if len(set(places)) == len(places) else frames


def python_dicom(path):
    """Returns pydicom's pixels as [C, (D,) H, W], and their tolerance."""
    item = pydicom.dcmread(io.BytesIO(unpacked(path)), force=True)
    syntax = str(item.file_meta.TransferSyntaxUID)
    pixels = item.pixel_array
    several = int(item.get("NumberOfFrames") or 1) > 1
    if not several:
        pixels = pixels[None]
    if item.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, item)
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    pixels = (sorted_frames(item, pixels) if several else pixels).transpose(3, 0, 1, 2)
    if item.get("Modality") == "SEG":
        return pixels, 0
    pixels = pixels.astype(float)
    if item.SamplesPerPixel == 1 and item.PhotometricInterpretation != "PALETTE COLOR":
        if "DoseGridScaling" in item:
            pixels = pixels * float(item.DoseGridScaling)
        else:
            pixels = pixels * float(item.get("RescaleSlope", 1)) + float(item.get("RescaleIntercept", 0))
    scale = 1 if int(item.BitsAllocated) == 8 else 16
    rounding = 3 if item.PhotometricInterpretation.startswith("YBR") else 2
    return pixels if several else pixels[:, 0], rounding * scale if syntax in LOSSY else 0


def python_nifti(path):
    image = nibabel.as_closest_canonical(nibabel.load(path))
    values = image.get_fdata()
    values = values[..., None] if values.ndim == 3 else values
    return values.transpose(3, 2, 1, 0), 0


def compare(decoder, path):
    """Returns (equal | refused | differs | died, words)."""
    is_nifti = path.name.endswith((".nii", ".nii.gz"))
    try:
        expected, tolerance = (python_nifti if is_nifti else python_dicom)(path)
        refusal = None
    except Exception as error:  # whatever Python raises counts as a refusal
        expected, refusal = None, f"{type(error).__name__}: {str(error).splitlines()[0][:70]}"
    try:
        record, pixels = decoder.decode(path, labels=False)
    except Refused as error:
        return ("refused" if refusal else "differs"), str(error)
    except Died as error:
        return "died", str(error)
    if refusal:
        return ("here alone" if path.name in READ_HERE_ALONE else "differs"), f"read, where Python refuses: {refusal}"
    if record["tags"]["modality"] == "SEG" and expected.size == pixels.size:
        expected = expected.reshape(pixels.shape)  # here a segmentation of one frame is a volume of one slice
    if record["shape"] != list(expected.shape):
        return "differs", f"shape {record['shape']}, expected {list(expected.shape)}"
    difference = numpy.abs(pixels.astype(float) - expected)
    worst = float(difference.max())
    allowed = tolerance if tolerance else 1e-6 * max(1.0, float(numpy.abs(expected).max()))
    if worst > allowed:
        return "differs", f"by up to {worst:g} at {int((difference > allowed).sum())} of {difference.size}"
    return "equal", f"{record['shape']} {record['element']}" + (f", to within {worst:g} of {tolerance}" if worst else "")


def main():
    folders = [pathlib.Path(name) for name in sys.argv[2:]]
    warnings.simplefilter("ignore")
    decoder = Decoder(sys.argv[1])
    counts = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if not path.name.endswith((".dcm", ".dcm.gz", ".seg", ".nii", ".nii.gz")):
                continue
            outcome, words = compare(decoder, path)
            counts[outcome] = counts.get(outcome, 0) + 1
            print(f"{outcome:10} {path.name}: {words}")
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    return 1 if counts.get("differs") or counts.get("died") or not counts.get("equal") else 0


if __name__ == "__main__":
    sys.exit(main())
