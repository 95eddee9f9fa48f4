"""Folders of sites from public sets of images, as they were published.

Images are dealt to the sites in blocks of their names' order, as neighbouring names are often one person's; the end of each block is its
test. Where a set says who the patients are, they are kept apart.
"""

import csv

from medicalfiles import png
from study.site_folder import SITES, SiteFolder, pooled

PARTS = ["hand", "leg", "hip", "shoulder"]
TEST = 0.2  # of each site's images, unless the caller says otherwise
ROTATED = {"IMG0000439.jpg", "IMG0001861.jpg"}  # turned by their EXIF tag, and their boxes aren't


def dealt(items, train=None, test=TEST):
    """(site, split, item) of each item, in blocks of the items' order; `train` is the most that a site trains on, the rest is left out."""
    for index, site in enumerate(SITES):
        block = items[index * len(items) // len(SITES):(index + 1) * len(items) // len(SITES)]
        for at, item in enumerate(block):
            if at >= len(block) * (1 - test):
                yield site, "test", item
            elif train is None or at < train:
                yield site, "train", item


def folders(folder, *columns, sites=SITES):
    return {site: SiteFolder(folder / site, *columns) for site in sites}


def closed(made):
    for site in made.values():
        site.close()
    return made


def hippocampus(data, folder, **shares):
    made = folders(folder, "mask")
    for site, split, image in dealt(sorted((data / "msd-hippocampus/images").glob("*.nii.gz")), **shares):
        mask = made[site].put(f"masks/{image.name}", data / "msd-hippocampus/labels" / image.name)
        made[site].add(made[site].put(image.name, image), split, image.name.split(".")[0], mask)
    return closed(made)


def kvasir(data, folder, **shares):
    made = folders(folder, "mask")
    for site, split, image in dealt(sorted((data / "kvasir-seg/images").glob("*.jpg")), **shares):
        mask = made[site].put(f"masks/{image.name}", data / "kvasir-seg/masks" / image.name)
        made[site].add(made[site].put(image.name, image), split, image.stem, mask)
    return closed(made)


def inside(contour, side):
    """A mask, side x side bytes of 0 and 255, of the pixels whose centre a closed contour of (x, y) encloses."""
    pixels = bytearray(side * side)
    for y in range(side):
        cuts = []
        for (x0, y0), (x1, y1) in zip(contour, contour[1:] + contour[:1]):
            if (y0 <= y) != (y1 <= y):
                cuts.append(x0 + (y - y0) * (x1 - x0) / (y1 - y0))
        cuts.sort()
        for left, right in zip(cuts[::2], cuts[1::2]):
            for x in range(max(0, -int(-left // 1)), min(side - 1, int(right // 1)) + 1):
                pixels[y * side + x] = 255
    return bytes(pixels)


def sunnybrook(data, folder):
    """Three sites of a patient each. The fourth patient is the test, whose frames are dealt to the sites in turn."""
    made = folders(folder, "mask", sites=SITES[:3])
    with open(data / "sunnybrook/link.csv", newline="") as file:
        patients = [(row["patient_id"], row["original_id"]) for row in csv.DictReader(file)]
    for number, (patient, original) in enumerate(patients):
        contours = sorted((data / "sunnybrook/contourfiles" / original / "i-contours").glob("*.txt"))
        for at, file in enumerate(contours):
            frame = int(file.name.split("-")[2])
            image = data / "sunnybrook/dicoms" / patient / f"{frame}.dcm"
            if not image.exists():
                continue
            test = number == 3
            site = made[SITES[at % 3 if test else number]]
            contour = [tuple(map(float, line.split())) for line in file.read_text().splitlines() if line.strip()]
            mask = site.put(f"masks/{patient}-{frame:03}.png", png(inside(contour, 256), 256))
            site.add(site.put(f"{patient}-{frame:03}.dcm", image), "test" if test else "train", patient, mask)
    return closed(made)


def radiographs(data, folder, label, *columns, **shares):
    """FracAtlas' whole images, with the `columns` that label(file name, row of the set's table) gives; those where it gives None are left out."""
    with open(data / "fracatlas/dataset.csv", newline="") as file:
        rows = {row["image_id"]: row for row in csv.DictReader(file)}
    files = {path.name: path for path in (data / "fracatlas/images").rglob("*.jpg") if path.name in rows and path.name not in ROTATED}
    labelled = [(files[name], label(name, rows[name])) for name in sorted(files)]
    made = folders(folder, *columns)
    for site, split, (path, values) in dealt([item for item in labelled if item[1] is not None], **shares):
        made[site].add(made[site].put(path.name, path), split, path.stem, *values)
    return closed(made)


def limbs(data, folder):
    """One folder of FracAtlas' radiographs that show a hand alone or a leg alone."""
    known = {("1", "0", "0", "0"): ["0"], ("0", "1", "0", "0"): ["1"]}
    return pooled(list(radiographs(data, folder / "parts", lambda _, row: known.get(tuple(row[part] for part in PARTS)), "finding").values()), folder / "all")


def pneumonia(data, folder, train):
    """PneumoniaMNIST as PNG files: `train` images drawn for each site, all of the test split dealt to the sites in turn. It has no patient ids."""
    import numpy  # here, so that benchmarks/tasks does without

    arrays = numpy.load(data / "medmnist/pneumoniamnist.npz")
    drawn = numpy.random.default_rng(1).permutation(len(arrays["train_images"]))
    made = folders(folder, "finding")
    for index, (name, site) in enumerate(made.items()):
        for split, rows in (("train", drawn[index * train:(index + 1) * train]), ("test", range(index, len(arrays["test_images"]), len(SITES)))):
            for row in rows:
                image = arrays[f"{split}_images"][row]
                file = site.put(f"{split}-{row:05}.png", png(image.tobytes(), image.shape[1]))
                site.add(file, split, file, ("normal", "pneumonia")[int(arrays[f"{split}_labels"][row, 0])])
    return closed(made)
