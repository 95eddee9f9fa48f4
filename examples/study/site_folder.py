"""A site's folder of images with a table of labels, and the entry of client.yaml that describes it."""

import csv
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
            shutil.copy(source, target)
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


def pooled(folders, into):
    """Lists everybody's images in one table and returns the folder that it describes, the one that all of `folders` lie in.

    Patients are told apart by site, as their numbers at two sites may be equal. The table stands at `into`, a name in that folder.
    """
    parent, rows = folders[0].folder.parent, [folders[0].columns]
    files = {"file", "mask"}
    for site in folders:
        name = site.folder.name
        for row in site.rows:
            rows.append([f"{name}/{value}" if column in files else f"{name}-{value}" if column == "patient" else value
                         for column, value in zip(site.columns, row)])
    write_table(parent / into, rows)
    return parent
