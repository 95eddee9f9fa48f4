"""Data of the test hospitals: striped images, a different draw for each."""

import npz


def write_sites(folder, sites, train=64, evaluation=32):
    """Writes one .npz for each site and returns {site: path}."""
    paths = {}
    for index, site in enumerate(sites):
        paths[site] = folder / f"{site}.npz"
        npz.write(paths[site], npz.dataset(npz.striped_images(train, 100 + index), npz.striped_images(evaluation, 200 + index),
                                           npz.striped_images(evaluation, 300 + index)))
    return paths
