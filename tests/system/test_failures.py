"""Trainers that crash, run out of memory, return nonsense or try to break out: the round goes on without them, and says so."""

import json
import pathlib
import unittest

from consortium import BIN, POLICY, Consortium, job
from sitedata import write_sites

SITES = ["east", "north", "south", "west"]
ROGUE = BIN / "rogue-trainer"


class Failures(unittest.TestCase):
    def run_with_rogue(self, mode, trainer=None, rounds=2, policy=POLICY, expect="finished", **sections):
        """Runs a job in which west's trainer misbehaves; returns (status, coordinator's log, west's log)."""
        with Consortium(SITES) as consortium:
            data = write_sites(consortium.folder, SITES)
            consortium.start_coordinator()
            for site in SITES[:3]:
                consortium.start_site(site, {"chest": data[site]})
            secret = consortium.folder / "west" / "west.key"
            command = [str(argument).replace("KEY", str(secret)) for argument in [ROGUE, *mode]]
            consortium.start_site("west", {"chest": data["west"]}, policy=policy, trainer={"command": command, **(trainer or {})})
            consortium.wait_connected()
            spec = job(federation={"rounds": rounds, "sites": SITES, "minimum_sites": 3, "quorum": 0.75, "deadline": "30s"}, **sections)
            ended = consortium.wait_ended(consortium.submit(spec))
            self.assertEqual(ended["phase"], expect, ended["detail"])
            return ended, consortium.daemons["coordinator"].log, consortium.daemons["west"].log

    def assert_failed_by_name(self, ended, log, *words):
        reasons = [entry["failed"]["west"] for entry in ended["history"] if "west" in entry["failed"]]
        self.assertTrue(reasons, json.dumps(ended["history"]))
        for word in words:
            self.assertIn(word, reasons[0])
            self.assertIn(word, log)
        for entry in ended["history"]:
            self.assertEqual(sorted(entry["contributed"]), ["east", "north", "south"])

    def test_a_trainer_that_segfaults_trains_once_more_then_fails(self):
        ended, log, site_log = self.run_with_rogue(["--train", "segfault"])
        self.assert_failed_by_name(ended, log, "training failed", "SIGSEGV")
        self.assertIn("trying once more", site_log)

    def test_a_trainer_over_its_memory_limit_is_killed(self):
        ended, log, _ = self.run_with_rogue(["--train", "allocate"], trainer={"memory_limit": "300MiB"})
        self.assert_failed_by_name(ended, log, "training failed", "limit")

    def test_a_nan_filled_update_is_refused(self):
        ended, log, _ = self.run_with_rogue(["--train", "nan"])
        self.assert_failed_by_name(ended, log, "training failed", "not finite")

    def test_a_nan_loss_is_refused(self):
        ended, log, _ = self.run_with_rogue(["--train", "nan-loss"])
        self.assert_failed_by_name(ended, log, "training failed")

    def test_a_record_out_of_turn_is_refused(self):
        ended, log, _ = self.run_with_rogue(["--train", "garbage"])
        self.assert_failed_by_name(ended, log, "training failed")

    def test_an_oversized_record_is_refused(self):
        ended, log, _ = self.run_with_rogue(["--train", "oversize"])
        self.assert_failed_by_name(ended, log, "training failed")

    def test_a_trainer_cannot_read_the_sites_key_nor_open_a_socket(self):
        _, _, site_log = self.run_with_rogue(["--train", "spy", "--file", "KEY"])
        self.assertIn("rogue: open key: refused", site_log)
        self.assertIn("rogue: connect: refused", site_log)
        self.assertIn("rogue: read data: allowed", site_log)


if __name__ == "__main__":
    unittest.main()
