"""A hospital's data sets in every format that sites can have, full of texts that must not leave it."""

import gzip
import json
import random
import struct
import zlib

import npz
from medicalfiles import burn_in, dicom, nifti, png, text_rows

SIDE, VOLUME = 32, 8
SPLITS = {"train": 8, "val": 2, "test": 4}
CLASSES = ["clear", "shadow"]

TEXTS = {  # kind: an example from a hospital
    "PatientName": "Quillfeather^Zebulon", "PatientID": "QF-4471902", "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.77310", "SOPInstanceUID": "1.2.826.0.1.3680043.8.498.66204",
    "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.55187", "InstitutionName": "Mossgrave Infirmary", "AccessionNumber": "ACC90218843", "PatientBirthDate": "19370413",
    "StudyDate": "20190627", "ReferringPhysicianName": "Thistlewood^Ada", "private creator": "BRAMBLEWORKS 2.1", "private tag": "bed 9 by the glazed door", "PatientComments": "fell off a penny-farthing",
    "folder of the data set": "ward-tamarind", "folder in the data set": "room-ocelot", "file": "halvorsen-jane", "patient in a table": "p-umbrellabird", "free text in a table": "sister is a piccolo teacher",
    "class of the hospital": "shadow-of-vervain", "descrip": "scanned for Wolverhampstead", "aux_file": "pomegranate.aux", "intent_name": "intent-saxifr", "db_name": "dbkumquat",
    "gzip's file name": "original-tarpaulin.nii", "COCO info": "contributed by E. Nettlebrook", "COCO image": "license-ferrymoor", "tEXt": "taken by K. Lanternjaw", "zTXt": "room of Dr Cobblepot",
    "iTXt": "rue du Chèvrefeuille 12", "eXIf": "Camera of M. Dunderklumpen"}
NOBODY = {name: f"none-{number:02}" for number, name in enumerate(TEXTS)}
NOBODY.update({name: f"1.2.3.{number}" for number, name in enumerate(TEXTS) if name.endswith("UID")}, PatientBirthDate="19000101", StudyDate="20000101")


class Hospital:
    """One site's files below `folder`; `texts` as in TEXTS. Every image has text burned into it; `rows` are rows of its pixels."""

    def __init__(self, folder, site, texts=None, seed=0):
        self.texts, self.site, self.rows = texts or NOBODY, site, {}
        self.draw = random.Random(seed)
        self.folder = folder / f"{self.texts['folder of the data set']}-{site}"

    def of(self, name):
        return self.texts[name]

    def pixels(self, label):
        """Returns an image with text in it, brighter if its class is 1."""
        drawn = burn_in(bytes(self.draw.randrange(90) + 90 * label for _ in range(SIDE * SIDE)), SIDE)
        for number, row in enumerate(text_rows(drawn, SIDE)):
            self.rows[f"row {number} of image {len(self.rows) // 7}"] = row
        return drawn

    def items(self):
        """Returns (split, number, class) of each image."""
        return [(split, number, number % 2) for split, count in SPLITS.items() for number in range(count)]

    def name(self, split, number, ending):
        return f"{self.of('folder in the data set')}/{self.of('file')}-{split}{number}.{ending}"

    def write(self, part, name, content):
        file = self.folder / part / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def patient(self, split, number):
        return f"{self.of('patient in a table')}-{split}{number}"

    def described(self, part, kind, split=None, **labels):
        return {"type": kind, "path": str(self.folder / part), "labels": {"table": "labels.csv", "key": "file", **labels}, "split": split or {"column": "split"}}

    @property
    def classes(self):
        return [CLASSES[0], self.of("class of the hospital")]

    def png(self, label):
        return png(self.pixels(label), SIDE, {key: self.of(key) for key in ("tEXt", "zTXt", "iTXt")}, self.of("eXIf"))

    def write_table(self, part="table", images=None, labels=None, splits=None, patients=None):
        """PNG files and a CSV table; `images`, `labels`, `splits` and `patients` replace those of single (split, number)."""
        rows = ["file,patient,finding,remark,split"]
        for split, number, label in self.items():
            key, name = (split, number), self.name(split, number, "png")
            self.write(part, name, (images or {}).get(key) or self.png(label))
            finding, patient = (labels or {}).get(key, self.classes[label]), (patients or {}).get(key, self.patient(split, number))
            rows.append(f'{name},{patient},{finding},"{self.of("free text in a table")}",{(splits or {}).get(key, split)}')
        self.write(part, "labels.csv", "\n".join(rows) + "\n")
        return self.described(part, "table", {"column": "split", "patient": "patient"}, **{"class": "finding", "classes": self.classes})

    def write_arrays(self, label, part="arrays"):
        """An .npz whose first label is `label`, in a folder and a file with canaries in their names."""
        splits = {split: ([self.pixels(number % 2) for number in range(count)], [label] + [0] * (count - 1)) for split, count in SPLITS.items()}
        file = self.folder / part / self.name("all", 0, "npz")
        file.parent.mkdir(parents=True)
        npz.write(file, npz.dataset(*splits.values(), shape=(SIDE, SIDE)))
        return {"type": "npz", "path": str(file)}

    def write_dicom(self, part="dicom"):
        kinds = {"StudyDate": (0x00080020, "DA"), "AccessionNumber": (0x00080050, "SH"), "InstitutionName": (0x00080080, "LO"), "ReferringPhysicianName": (0x00080090, "PN"),
                 "private creator": (0x00090010, "LO"), "private tag": (0x00091001, "LO"), "PatientName": (0x00100010, "PN"), "PatientBirthDate": (0x00100030, "DA"),
                 "PatientComments": (0x00104000, "LT")}
        rows = ["uid,finding,split"]
        for at, (split, number, label) in enumerate(self.items()):
            uids = [(tag, "UI", f"{self.of(name)}.{at}") for tag, name in ((0x00080018, "SOPInstanceUID"), (0x0020000D, "StudyInstanceUID"), (0x0020000E, "SeriesInstanceUID"))]
            tags = [*uids, (0x00100020, "LO", f"{self.of('PatientID')}-{at}"), *((tag, kind, self.of(name)) for name, (tag, kind) in kinds.items())]
            self.write(part, self.name(split, number, "dcm"), dicom(self.pixels(label), SIDE, tags))
            rows.append(f"{uids[0][2]},{label},{split}")
        self.write(part, "labels.csv", "\n".join(rows) + "\n")
        return {**self.described(part, "dicom", match="image", **{"class": "finding"}), "preprocess": {"window": {"low": 0, "high": 255}}} | {
            "labels": {"table": "labels.csv", "key": "uid", "match": "image", "class": "finding"}}

    def write_nifti(self, part="nifti"):
        rows = ["file,mask,split"]
        for split, number, _ in self.items():
            corner = self.draw.randrange(3)
            inside = [all(corner <= place < corner + 5 for place in (x, y, z)) for z in range(VOLUME) for y in range(VOLUME) for x in range(VOLUME)]
            values = bytes(self.draw.randrange(90) + 120 * here for here in inside)
            self.rows[f"row of a volume {split}{number}"] = values[:48]
            texts = {key: self.of(key) for key in ("descrip", "aux_file", "intent_name", "db_name")}
            for name, content in ((self.name(split, number, "nii.gz"), values), ("masks/" + self.name(split, number, "nii.gz"), bytes(inside))):
                self.write(part, name, b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + self.of("gzip's file name").encode() + b"\0" +
                           gzip.compress(nifti(content, VOLUME, texts), mtime=0)[10:])
            rows.append(f"{self.name(split, number, 'nii.gz')},masks/{self.name(split, number, 'nii.gz')},{split}")
        self.write(part, "labels.csv", "\n".join(rows) + "\n")
        return self.described(part, "nifti", mask="mask")

    def write_coco(self, part="coco"):
        rows, images, boxes = ["file,split"], [], []
        for at, (split, number, _) in enumerate(self.items()):
            pixels, name = bytearray(self.pixels(0)), self.name(split, number, "png")
            left, top = self.draw.randrange(8, 20), self.draw.randrange(10, 20)
            for row in range(top, top + 10):
                pixels[row * SIDE + left:row * SIDE + left + 10] = bytes(self.draw.randrange(180, 250) for _ in range(10))
            self.write(part, name, png(bytes(pixels), SIDE))
            rows.append(f"{name},{split}")
            images.append({"id": at, "file_name": name, "license": self.of("COCO image"), "width": SIDE, "height": SIDE})
            boxes.append({"id": at, "image_id": at, "category_id": 1, "bbox": [left, top, 10, 10], "note": self.of("free text in a table")})
        self.write(part, "labels.csv", "\n".join(rows) + "\n")
        self.write(part, "boxes.json", json.dumps({"info": {"contributor": self.of("COCO info")}, "images": images, "annotations": boxes, "categories": [{"id": 1, "name": self.of("class of the hospital")}]}))
        return self.described(part, "table", boxes="boxes.json")


def vast_png(side=60000):
    """Returns a PNG of side x side pixels in a few hundred bytes. No machine has the memory to decode it."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 16, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(bytes(side))) +
            chunk(b"IEND", b""))
