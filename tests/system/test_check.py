"""Tests the report of --check about a daemon's files. Everything that would prevent a masked job is an error, and the rest a warning."""

import json
import os
import pwd
import socket
import unittest

from consortium import POLICY, Consortium, population, run
from sitedata import write_sites

SITES = ["east", "north", "south"]


class Client(unittest.TestCase):
    def setUp(self):
        self.consortium = self.enterContext(Consortium(SITES, populations=population()))
        self.consortium.port = 1  # the check connects to nothing
        self.data = write_sites(self.consortium.folder, ["north"])
        self.folder = self.consortium.folder / "north"

    def check(self, data=None, **changes):
        file = self.consortium.configure_site("north", data or {"chest": self.data["north"]}, **changes)
        return run("consilium-client", "--config", file, "--check", check=False)

    def refused(self, *words, **changes):
        checked = self.check(**changes)
        self.assertEqual(checked.returncode, 1, checked.stdout)
        for word in words:
            self.assertIn(word, checked.stderr)

    def test_good_files_are_ok_and_nothing_is_left(self):
        checked = self.check()
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertEqual(checked.stdout.splitlines()[-1], f"{self.folder}/client.yaml: ok")
        self.assertFalse((self.folder / "state").exists())

    def test_a_roster_that_is_missing_or_lacks_this_site_is_an_error(self):
        other = self.folder / "other.yaml"
        other.write_text((self.folder / "roster.yaml").read_text().replace("north", "nova"))
        self.refused("client.yaml: roster: this site ('north') isn't in it", roster=str(other))
        (self.folder / "roster.yaml").unlink()
        self.refused("client.yaml: roster: names no file")

    def test_data_that_the_trainer_cannot_read_are_an_error_and_each_is_named(self):
        broken = self.folder / "broken.npz"
        broken.write_bytes(self.data["north"].read_bytes()[:2000])
        os.mkfifo(self.folder / "fifo.npz")
        (self.folder / "empty").mkdir()
        policy = POLICY.replace("[chest]", "[chest, broken, fifo, images]")
        data = {"chest": self.data["north"], "broken": broken, "fifo": self.folder / "fifo.npz",
                "images": {"type": "image_folder", "path": str(self.folder / "empty")}}
        self.refused("client.yaml: datasets.broken: the trainer can't read it: ", "client.yaml: datasets.fifo: the trainer can't read it: ",
                     "client.yaml: datasets.images: the trainer can't read it: ", data=data, policy=policy)

    def test_an_atlas_that_is_not_there_is_an_error(self):
        there = self.folder / "there.nii"
        there.write_bytes(b"a map")
        self.assertEqual(self.check(atlases={"organ": str(there)}).returncode, 0)
        self.refused(f"client.yaml: atlases.organ: {self.folder}/gone.nii: No such file", atlases={"organ": str(self.folder / "gone.nii")})
        self.refused("client.yaml: atlases.organ: ", atlases={"organ": str(self.folder)})

    def test_a_trainer_that_does_not_start_is_an_error(self):
        self.refused("trainer", trainer={"command": ["/bin/false"]})

    def test_a_certificate_that_is_anothers_or_has_ended_is_an_error_and_one_that_ends_soon_a_warning(self):
        self.refused("is not the key of", tls={**self.consortium.tls("north"), "key": self.consortium.tls("south")["key"]})
        self.refused("expected the certificate of site 'north', found that of spiffe://lung-consortium/site/south", tls=self.consortium.tls("south"))
        self.consortium.sign_for("site", "north", 20 * 86400)
        checked = self.check()
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertIn("warning: ", checked.stdout)
        self.assertIn("this certificate ends 20", checked.stdout)
        self.consortium.sign_for("site", "north", -60)
        self.refused("certificate has expired")

    def test_no_revocation_list_is_a_warning_and_a_named_one_that_is_missing_an_error(self):
        tls = self.consortium.tls("north")
        del tls["revocation_list"]
        checked = self.check(tls=tls)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertIn("warning: client.yaml: tls.revocation_list: names no file", checked.stdout)
        self.refused("none.pem", tls={**tls, "revocation_list": str(self.folder / "none.pem")})

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_root_checks_as_the_user_who_owns_the_state_folder(self):
        nobody = pwd.getpwnam("nobody")
        state = self.folder / "state"
        state.mkdir(mode=0o700)
        os.chown(state, nobody.pw_uid, nobody.pw_gid)
        for folder in (self.consortium.folder, self.folder):
            folder.chmod(0o755)
        checked = self.check()
        self.assertIn("checked as the user 'nobody'", checked.stdout)
        self.assertEqual(checked.returncode, 1)  # root owns the key
        self.assertIn("north.key", checked.stderr)
        self.assertEqual(list(state.iterdir()), [])


class Coordinator(unittest.TestCase):
    def check(self, consortium, **changes):
        folder = consortium.folder / "coordinator"
        file = folder / "checked.yaml"
        file.write_text(json.dumps({"listen": "127.0.0.1:0", "state_dir": str(folder / "state"), "tls": consortium.tls("coordinator"), **changes}))
        return run("consilium-coordinator", "--config", file, "--check", check=False)

    def test_a_port_that_another_program_has_is_an_error_and_the_running_coordinators_own_is_none(self):
        with Consortium([]) as consortium, socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            taken = self.check(consortium, listen=f"127.0.0.1:{other.getsockname()[1]}")
            self.assertEqual(taken.returncode, 1)
            self.assertIn("coordinator.yaml: listen: cannot listen on 127.0.0.1:", taken.stderr)
            consortium.start_coordinator()
            own = self.check(consortium, listen=f"127.0.0.1:{consortium.port}")
            self.assertEqual(own.returncode, 0, own.stderr)

    def test_a_certificate_that_has_ended_and_a_list_that_has_ended_are_errors(self):
        with Consortium([]) as consortium:
            consortium.sign_for("coordinator", "coordinator", -60)
            ended = self.check(consortium)
            self.assertEqual(ended.returncode, 1)
            self.assertIn("certificate has expired", ended.stderr)
            consortium.renew("coordinator", "coordinator", "--host", "127.0.0.1")
            self.assertEqual(self.check(consortium).returncode, 0)
            consortium.write_ended_list(number=2).rename(consortium.folder / "coordinator" / "crl.pem")
            old = self.check(consortium)
            self.assertEqual(old.returncode, 1)
            self.assertIn("the revocation list ended 20", old.stderr)


if __name__ == "__main__":
    unittest.main()
