"""Trainers that crash, run out of memory, return nonsense or try to break out. The round continues without them, and reports it."""

import contextlib
import json
import resource
import socket
import unittest

from consortium import BIN, POLICY, Consortium, eventually, job, run
from sitedata import write_sites

SITES = ["east", "north", "south", "west"]
ROGUE = BIN / "consilium-rogue-trainer"


class Failures(unittest.TestCase):
    def test_a_coordinator_without_free_descriptors_keeps_its_sites_and_serves_again_afterwards(self):
        with Consortium(["north"]) as consortium:
            coordinator = consortium.start_coordinator()
            data = write_sites(consortium.folder, ["north"])
            consortium.start_site("north", {"chest": data["north"]})
            consortium.wait_connected()
            resource.prlimit(coordinator.pid, resource.RLIMIT_NOFILE, (256, 256))
            silent = [socket.create_connection(("127.0.0.1", consortium.port)) for _ in range(320)]
            coordinator.wait_for_log("connections were closed because nothing had arrived over them")
            self.assertEqual(consortium.connected_sites(), ["north"])  # a request beside the silent connections
            half = [socket.create_connection(("127.0.0.1", consortium.port)) for _ in range(320)]
            for connection in half:
                with contextlib.suppress(OSError):
                    connection.sendall(b"\x16\x03\x01\x02\x00")  # the beginning of a TLS handshake that never continues
            self.assertIsNone(coordinator.process.poll())
            for connection in silent + half:
                connection.close()
            eventually(lambda: "north" in consortium.command("sites", check=False).stdout, "the command is served again")
            self.assertEqual(consortium.connected_sites(), ["north"])
            self.assertEqual(consortium.wait_ended(consortium.submit(job()))["phase"], "finished")

    def test_no_line_of_grpcs_own_form_is_printed(self):
        """In place of the coordinator, a program that doesn't answer with TLS, and one that is silent."""
        with Consortium(["north"]) as consortium, socket.create_server(("127.0.0.1", 0)) as stranger:
            consortium.port = stranger.getsockname()[1]
            data = write_sites(consortium.folder, ["north"])
            client = consortium.start_site("north", {"chest": data["north"]}, log={"level": "info", "format": "json"})
            stranger.settimeout(30)
            for _ in range(2):
                with stranger.accept()[0] as connection:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            client.wait_for_log("cannot attend the coordinator")
            for line in client.log.splitlines():
                json.loads(line)
            stranger.close()
            failed = consortium.command("sites", check=False)
            self.assertEqual(failed.returncode, 5)
            for line in failed.stderr.splitlines():
                self.assertTrue(line.startswith("consilium:"), line)

    def run_with_rogue(self, mode, *target, trainer=None, rounds=2, policy=POLICY, expect="finished", **sections):
        """Runs a job in which west's trainer misbehaves; returns (end, coordinator's log, west's log)."""
        with Consortium(SITES) as consortium:
            data = write_sites(consortium.folder, SITES)
            consortium.start_coordinator()
            for site in SITES[:3]:
                consortium.start_site(site, {"chest": data[site]})
            known = {"KEY": consortium.folder / "west" / "west.key", "DATA": data["west"], "PORT": f"127.0.0.1:{consortium.port}"}
            command = [str(ROGUE), mode, *(str(known.get(word, word)) for word in target)]
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
        ended, log, site_log = self.run_with_rogue("segfault")
        self.assert_failed_by_name(ended, log, "training failed: unavailable")
        self.assertIn("trying once more", site_log)
        self.assertIn("SIGSEGV", site_log)

    def test_a_trainer_over_its_memory_limit_is_killed(self):
        ended, log, site_log = self.run_with_rogue("eat-memory", trainer={"memory_limit": "300MiB"})
        self.assert_failed_by_name(ended, log, "training failed: resource_exhausted")
        self.assertIn("its limit is 300 MiB", site_log)

    def test_a_nan_filled_update_is_refused(self):
        ended, log, _ = self.run_with_rogue("nan-delta")
        self.assert_failed_by_name(ended, log, "training failed")

    def test_a_nan_loss_is_refused(self):
        ended, log, _ = self.run_with_rogue("not-a-number")
        self.assert_failed_by_name(ended, log, "training failed")

    def test_garbage_is_refused(self):
        ended, log, _ = self.run_with_rogue("garbage")
        self.assert_failed_by_name(ended, log, "training failed")

    def test_an_oversized_record_is_refused(self):
        ended, log, _ = self.run_with_rogue("oversized")
        self.assert_failed_by_name(ended, log, "training failed")

    def test_counts_of_the_wrong_shape_leave_the_site_out(self):
        ended, log, _ = self.run_with_rogue("wrong-classes")
        self.assertIn("census failed", log)
        self.assertEqual(sorted(ended["history"][0]["cohort"]), ["east", "north", "south"])

    def probe(self, name, target):
        _, _, site_log = self.run_with_rogue("probe-" + name, target, rounds=1)
        return site_log

    def test_a_trainer_cannot_read_the_sites_key(self):
        self.assertIn("refused:", self.probe("read", "KEY"))

    def test_a_trainer_can_read_its_data(self):
        self.assertIn("reached:", self.probe("read", "DATA"))

    def test_a_trainer_cannot_open_a_connection(self):
        self.assertIn("refused:", self.probe("tcp", "PORT"))


if __name__ == "__main__":
    unittest.main()
