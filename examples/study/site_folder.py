"""A site's folder of images with a table of labels, and the entry of client.yaml that describes it."""

import csv
import json
import pathlib
import shutil

SITES = ["east", "north", "south", "west"]
TABLE = "labels.csv"


class SiteFolder:
    """A site's folder: files that are put into it, and a table with a row an image: `file`, `split`, `patient` and the columns given."""

    def __init__(self, folder, *columns):
        self.folder, self.columns, self.rows = pathlib.Path(folder), ["file", "split", "patient", *columns], []
        self.folder.mkdir(parents=True, exist_ok=True)

    def put(self, name, source):
        """Copies a file into the folder, or writes bytes, and returns its name there."""
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            target.write_bytes(source)
        else:
            shutil.copyfile(source, target)
        return name

    def add(self, file, split, patient, *values):
        self.rows.append([file, split, patient, *values])

    def close(self):
        """Writes the table."""
        write_table(self.folder / TABLE, [self.columns, *self.rows])

    def trained_on(self):
        return sum(row[1] == "train" for row in self.rows)


def write_table(file, rows):
    with open(file, "w", newline="") as output:
        csv.writer(output).writerows(rows)


def entry(template, folder):
    """The entry of client.yaml for a site's folder: an example's data set description with the path filled in."""
    return {**template, "path": str(pathlib.Path(folder).resolve())}


def written_entry(described, file):
    """Writes an entry by itself into a file, as `simulate --site-data` and consilium-trainer take it (JSON, which is YAML too); returns the file."""
    file.write_text(json.dumps(described, indent=2) + "\n")
    return file


def pooled(sites, folder):
    """Copies everybody's images into one folder with one table, as if they were one hospital."""
    pool = SiteFolder(folder, *sites[0].columns[3:])
    for site in sites:
        for row in site.rows:
            pool.rows.append([pool.put(f"{site.folder.name}/{value}", site.folder / value) if column in ("file", "mask") else value
                              for column, value in zip(site.columns, row)])
    pool.close()
    return pool
