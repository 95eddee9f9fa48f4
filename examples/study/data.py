"""The data of each example: synthetic images, or a public set that the user has."""

from consortium import run
from phantoms.sites import write_sites
from study import public_sets
from study.site_folder import SITES, entry, pooled, written_entry

PUBLIC = {  # example: (set, what it takes)
    "brain-mr": (public_sets.hippocampus, {"train": 6, "test": 0.6}),
    "cardiac-mr": (public_sets.sunnybrook, {}),
    "polyps": (public_sets.kvasir, {"train": 16, "test": 0.6}),
    "radiographs": (public_sets.pneumonia, {"train": 20})}
PHANTOMS = {"brain-mr": (6, 2, 10), "cardiac-mr": (3, 1, 6), "polyps": (6, 2, 10), "radiographs": (20, 4, 60)}  # patients in train, val, test


def make(example, source, folder, patients=None):
    """Writes the sites of an example below folder/images; `source` is "phantom" or the folder with the public sets. Returns {site: SiteFolder}."""
    if source == "phantom":
        return write_sites(folder / "images", example.name, patients or PHANTOMS[example.name], SITES[:3] if example.name == "cardiac-mr" else SITES)
    read, shares = PUBLIC[example.name]
    return read(source, folder / "images", **shares)


def pretrain(example, source, folder, epochs=None):
    """Trains the example's first weights on public images, or on phantoms of another scanner, and returns their file; None where it has none."""
    job = example.folder / "pretrain.yaml"
    if not job.exists():
        return None
    public = folder / "public"
    if source == "phantom":
        site = pooled(list(write_sites(public, "limbs", (60, 0, 0), SITES, seed=99).values()), public / "all")
    else:
        site = public_sets.limbs(source, public)
    described = written_entry(entry(example.pretraining, site.folder), folder / "public.yaml")
    weights = folder / "pretrained.safetensors"
    run("consilium-trainer", "train", job, "--data", described, "--out", weights, "--threads", 2, *(["--epochs", epochs] if epochs else []), timeout=3600)
    return weights
