"""The boxes of masks, in COCO's format."""

import json

import numpy
from PIL import Image


def write_boxes(site):
    """Writes boxes.json into a site's folder: the box of each image's mask, of the class 1."""
    images, annotations = [], []
    for number, (file, _, _, mask) in enumerate(site.rows):
        rows, columns = numpy.nonzero(numpy.asarray(Image.open(site.folder / mask).convert("L")) > 127)
        with Image.open(site.folder / mask) as opened:
            images.append({"id": number, "file_name": file, "width": opened.width, "height": opened.height})
        if rows.size:
            left, top = int(columns.min()), int(rows.min())
            annotations.append({"id": number, "image_id": number, "category_id": 1, "iscrowd": 0, "area": int(rows.size),
                                "bbox": [left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1]})
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "finding"}]}
    site.put("boxes.json", json.dumps(document).encode())
