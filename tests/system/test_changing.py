"""Changes while a hospital's client runs: data that are replaced, linked or newly mounted."""

import json
import os
import shutil
import signal
import struct
import subprocess
import time
import unittest

import npz
from consortium import BIN, POLICY, Consortium, Daemon, eventually, job
from sitedata import write_sites


def write_idx(folder, seed, count=32):
    """Writes MNIST's four files."""
    folder.mkdir(parents=True)
    for prefix, offset in (("train", 0), ("t10k", 1)):
        images, labels = npz.striped_images(count, seed + offset)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, count, 28, 28) + b"".join(images))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, count) + bytes(labels))


def write_npz(path, train):
    """Writes a data set with this many training images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    npz.write(path, npz.dataset(*[npz.striped_images(count, 5) for count in (train, 16, 16)]))
    return path


def examples(consortium, **sections):
    """Runs a job of one round to its end, and returns its number of training examples."""
    ended = consortium.wait_ended(consortium.submit(job(federation={"rounds": 1, "minimum_sites": 1}, **sections)))
    assert ended["phase"] == "finished", ended["detail"] + "\n" + consortium.daemons["north"].log
    out = consortium.fetch(ended["job_id"])
    return json.loads((out / "report.json").read_text())["examples"]


class Hangup(unittest.TestCase):
    def test_a_coordinator_goes_on_at_a_hangup_and_says_what_it_has_read_again(self):
        with Consortium(["north"]) as consortium:
            coordinator = consortium.start_coordinator()
            os.kill(coordinator.pid, signal.SIGHUP)
            eventually(lambda: "coordinator.yaml again; certificate, key, root and revocation list are read whenever they change" in coordinator.log, "the coordinator said nothing of the hangup")
            self.assertEqual(consortium.command("jobs", "--json").stdout.strip(), "[]")


class Links(unittest.TestCase):
    def test_links_are_followed_to_where_they_lead_when_a_job_is_accepted(self):
        with Consortium(["north"]) as consortium:
            store, links = consortium.folder / "store", consortium.folder / "links"
            links.mkdir()
            for version, count in (("v1", 32), ("v2", 48)):
                write_npz(store / version / "d.npz", count)
                write_idx(store / f"idx-{version}", 7, count)
            (links / "absolute.npz").symlink_to(store / "v1/d.npz")
            (links / "relative.npz").symlink_to("../store/v1/d.npz")
            (links / "chain.npz").symlink_to(links / "relative.npz")
            (links / "..data").symlink_to(store / "v1")  # as Kubernetes mounts a volume
            (links / "k8s.npz").symlink_to("..data/d.npz")
            (links / "idx").mkdir()
            for file in (store / "idx-v1").iterdir():  # as git-annex keeps a data set's content
                (links / "idx" / file.name).symlink_to(file)
            data = {name: links / f"{name}.npz" for name in ("absolute", "relative", "chain", "k8s")}
            data["idx"] = {"type": "idx", "path": str(links / "idx")}
            consortium.start_coordinator()
            consortium.start_site("north", data, policy=POLICY.replace("[chest]", json.dumps(list(data))))
            consortium.wait_connected()
            for name in data:
                self.assertEqual(examples(consortium, data={"dataset": name}), 32, name)

            (links / "..new").symlink_to(store / "v2")
            (links / "..new").rename(links / "..data")
            self.assertEqual(examples(consortium, data={"dataset": "k8s"}, seed=8), 48)
            for file in (store / "idx-v2").iterdir():
                (links / "idx" / "new").symlink_to(file)
                (links / "idx" / "new").rename(links / "idx" / file.name)
            self.assertEqual(examples(consortium, data={"dataset": "idx"}, seed=8), 48)


def may_mount():
    """Returns whether this machine allows a mount namespace."""
    return subprocess.run(["unshare", *namespace(), "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0


def namespace():
    return ["-m"] if os.geteuid() == 0 else ["-Urm"]


@unittest.skipUnless(may_mount(), "no mount namespaces here")
class Mounts(unittest.TestCase):
    """The client runs in a mount namespace of its own, in which file systems appear and disappear."""

    def start_site(self, consortium, data):
        file = consortium.configure_site("north", data)
        log = consortium.folder / "north" / "log"
        daemon = Daemon("north", [shutil.which("unshare"), *namespace(), BIN / "consilium-client", "--config", file], log)
        consortium.daemons["north"] = daemon
        consortium.wait_connected()
        return daemon

    def inside(self, daemon, *command):
        user = [] if os.geteuid() == 0 else ["-U", "--preserve-credentials"]
        subprocess.run(["nsenter", "-t", str(daemon.pid), "-m", *user, *map(str, command)], check=True, capture_output=True)

    def test_a_read_only_bind_mount_is_read_and_so_is_the_one_that_replaces_it(self):
        with Consortium(["north"]) as consortium:
            place = consortium.folder / "place"
            (place / "inner").mkdir(parents=True)
            for version, count in (("v1", 32), ("v2", 48)):
                write_idx(consortium.folder / version, 7, count)
            write_idx(place / "inner" / "idx", 7, 16)
            consortium.start_coordinator()
            daemon = self.start_site(consortium, {"chest": {"type": "idx", "path": str(place / "inner" / "idx")}})
            self.assertEqual(examples(consortium), 16)
            for seed, (version, count) in enumerate((("v1", 32), ("v2", 48)), 8):
                self.inside(daemon, "mount", "--bind", "-o", "ro", consortium.folder / version, place / "inner" / "idx")
                self.assertEqual(examples(consortium, seed=seed), count)
            self.inside(daemon, "umount", place / "inner" / "idx")
            self.assertEqual(examples(consortium, seed=10), 32)

    def test_a_file_system_that_is_mounted_anew_at_its_place_is_read(self):
        with Consortium(["north"]) as consortium:
            place = consortium.folder / "place"
            place.mkdir()
            write_idx(place / "idx", 7, 16)
            write_idx(consortium.folder / "v1", 7, 32)
            consortium.start_coordinator()
            daemon = self.start_site(consortium, {"chest": {"type": "idx", "path": str(place / "idx")}})
            for seed in (7, 8, 9):
                self.inside(daemon, "mount", "-t", "tmpfs", "none", place / "idx")
                self.inside(daemon, "sh", "-c", f"cp {consortium.folder}/v1/* {place}/idx")
                self.assertEqual(examples(consortium, seed=seed), 32)
                self.inside(daemon, "umount", place / "idx")


class Certificates(unittest.TestCase):
    def start(self, seconds):
        consortium = self.enterContext(Consortium(["north"]))
        end = consortium.sign_for("site", "north", seconds)
        data = write_sites(consortium.folder, ["north"])
        consortium.start_coordinator()
        consortium.start_site("north", {"chest": data["north"]})
        consortium.wait_connected()
        return consortium, end

    def test_a_renewed_certificate_counts_on_a_new_connection_before_the_old_one_ends(self):
        consortium, end = self.start(seconds=12)
        north = consortium.daemons["north"]
        self.assertEqual(examples(consortium), 64)
        consortium.renew("site", "north")
        north.wait_for_log("connecting again, since this site's certificate was renewed")
        eventually(lambda: north.log.count("connected to the coordinator") == 2, "the client is back")
        self.assertLess(time.time(), end)
        eventually(lambda: time.time() > end + 1, "the old certificate has ended")
        self.assertEqual(examples(consortium, seed=8), 64)
        self.assertNotIn("expired", north.log + consortium.daemons["coordinator"].log)

    def test_a_site_whose_certificate_has_ended_is_put_out_and_told_so(self):
        consortium, end = self.start(seconds=8)
        north = consortium.daemons["north"]
        north.wait_for_log("lost the coordinator at")
        self.assertGreaterEqual(time.time(), end)
        self.assertIn("certificate has expired", north.log)
        self.assertEqual(consortium.connected_sites(), [])
        consortium.renew("site", "north")
        consortium.wait_connected()
        self.assertEqual(examples(consortium), 64)

    def test_a_certificate_that_ends_within_a_month_is_warned_of_at_both_ends_and_by_the_command(self):
        with Consortium(["north", "south"]) as consortium:
            for role, name in (("site", "north"), ("coordinator", "coordinator"), ("researcher", "ada")):
                consortium.sign_for(role, name, 29 * 86400)
            data = write_sites(consortium.folder, ["north", "south"])
            coordinator = consortium.start_coordinator()
            for site in ("north", "south"):
                consortium.start_site(site, {"chest": data[site]})
            consortium.wait_connected()
            consortium.daemons["north"].wait_for_log("certificate.pem: this certificate ends 20")
            coordinator.wait_for_log("certificate.pem: this certificate ends 20")
            coordinator.wait_for_log("the certificate of site north ends 20")
            self.assertNotIn("this certificate ends", consortium.daemons["south"].log)
            self.assertNotIn("site south ends", coordinator.log)
            sites = consortium.command("sites")
            self.assertIn("the certificate of site north ends 20", sites.stderr)
            self.assertNotIn("site south", sites.stderr)
            self.assertIn("certificate.pem: this certificate ends 20", sites.stderr)
            self.assertRegex(next(site["certificate_end"] for site in consortium.query("sites") if site["name"] == "south"), "^20..-..-..T")
            job_id = consortium.submit(job(federation={"rounds": 1, "minimum_sites": 2}))
            self.assertIn("the certificate of site north ends 20", consortium.command("watch", job_id).stderr)


if __name__ == "__main__":
    unittest.main()
