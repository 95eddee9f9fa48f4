"""Tests the logs that hospital IT and the people who run the coordinator read, and changes of configurations while the daemons run."""

import json
import os
import pathlib
import re
import shutil
import signal
import unittest

import npz
from connect_proxy import ConnectProxy
from consortium import POLICY, Consortium, eventually, job, population, run
from sitedata import write_sites

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/hospital-it/logs.md"
JSON_LOG = {"level": "info", "format": "json"}


def lines_of(daemon):
    """Returns the lines of a daemon's JSON log. Every line must be one JSON object."""
    return [json.loads(line) for line in daemon.log.splitlines()]


def events(daemon, name):
    return [line for line in lines_of(daemon) if line.get("event") == name]


def examples(consortium, **sections):
    """Runs a job of one round to its end, and returns how many training examples it had."""
    ended = consortium.wait_ended(consortium.submit(job(federation={"rounds": 1, "minimum_sites": 1}, **sections)))
    assert ended["phase"] == "finished", ended["detail"] + "\n" + consortium.daemons["north"].log
    return json.loads((consortium.fetch(ended["job_id"]) / "report.json").read_text())["examples"]


def write_npz(path, train):
    npz.write(path, npz.dataset(*[npz.striped_images(count, 5) for count in (train, 16, 16)]))
    return path


class Lines(unittest.TestCase):
    def test_every_json_line_names_its_event_and_a_round_is_one_line_on_both_sides(self):
        listed = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", PAGE.read_text(), re.M))
        with Consortium(["north", "south"]) as consortium:
            data = write_sites(consortium.folder, consortium.sites)
            coordinator = consortium.start_coordinator(log=JSON_LOG)
            for site in consortium.sites:
                consortium.start_site(site, {"chest": data[site]}, log=JSON_LOG)
            consortium.wait_connected()
            ended = consortium.wait_ended(consortium.submit(job(federation={"rounds": 3, "minimum_sites": 2})))
            job_id = ended["job_id"]
            declined = consortium.submit(job(seed=8, data={"dataset": "other"}))
            for name, daemon in consortium.daemons.items():
                each = 2 if name == "coordinator" else 1
                eventually(lambda daemon=daemon, each=each: events(daemon, "job.ended") and len(events(daemon, "job.declined")) == each, f"{name} tells of both jobs\n" + daemon.log)
            for daemon in consortium.daemons.values():
                for line in lines_of(daemon):
                    self.assertRegex(line["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
                    self.assertIn(line["event"], listed, line)
                    self.assertTrue(line["level"] and line["program"] and line["message"], line)

            rounds = [line for line in events(coordinator, "round.committed") if line["job"] == job_id]
            self.assertEqual([line["round"] for line in rounds], [1, 2, 3])
            for line in rounds:
                self.assertEqual((line["level"], line["contributed"], line["metric"]), ("info", ["north", "south"], "accuracy"))
                self.assertGreater(line["seconds"], 0)
                self.assertTrue(0 <= line["value"] <= 1)
            refusals = [line for line in events(coordinator, "job.declined") if line["job"] == declined]
            self.assertEqual(sorted((line["level"], line["site"]) for line in refusals), [("info", "north"), ("info", "south")])
            for site in consortium.sites:
                sent = events(consortium.daemons[site], "round.sent")
                self.assertEqual([(line["job"], line["round"], line["site"]) for line in sent], [(job_id, number, site) for number in (1, 2, 3)])
                for line in sent:
                    self.assertGreater(line["training_seconds"], 0)
                    self.assertGreater(line["bytes_sent"], 100)
                    self.assertGreater(line["loss"], 0)
                refusals = events(consortium.daemons[site], "job.declined")
                self.assertEqual([(line["level"], line["job"]) for line in refusals], [("info", declined)])

    def test_a_masked_jobs_rounds_say_nothing_of_one_sites_loss(self):
        sites = ["east", "north", "south", "west"]
        with Consortium(sites, populations=population()) as consortium:
            data = write_sites(consortium.folder, sites)
            coordinator = consortium.start_coordinator(log=JSON_LOG)
            for site in sites:
                consortium.start_site(site, {"chest": data[site]}, log=JSON_LOG)
            consortium.wait_connected()
            spec = {**job(masked=True, federation={"rounds": 2}), "model": {"name": "mlp_2nn", "input": [1, 28, 28], "classes": 2}}
            self.assertEqual(consortium.wait_ended(consortium.submit(spec))["phase"], "finished")
            eventually(lambda: events(coordinator, "job.ended"), "the end is in the log")
            self.assertEqual([(line["round"], "value" in line) for line in events(coordinator, "round.committed")], [(1, False), (2, False)])
            sent = events(consortium.daemons["east"], "round.sent")
            self.assertEqual([(line["round"], "loss" in line) for line in sent], [(1, False), (2, False)])

    def test_text_lines_carry_the_time_in_utc_and_the_event(self):
        with Consortium(["north"]) as consortium:
            data = write_sites(consortium.folder, ["north"])
            consortium.start_coordinator()
            consortium.start_site("north", {"chest": data["north"]})
            consortium.wait_connected()
            examples(consortium)
            for daemon in consortium.daemons.values():
                for line in daemon.log.splitlines():
                    self.assertRegex(line, r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (info   |warning|error  ) \[[a-z_]+\.[a-z_]+\] \S")

    def test_a_daemon_that_cannot_start_says_so_in_its_log_and_shows_no_password(self):
        with Consortium(["north"]) as consortium:
            data = write_sites(consortium.folder, ["north"])
            consortium.port = 8470
            north = consortium.start_site("north", {"chest": data["north"]}, proxy="anna:s3cret@proxy.example.org:3128", log=JSON_LOG)
            self.assertEqual(north.process.wait(timeout=20), 1)
            self.assertRegex(north.log, r"^20\S+Z error   \[program.failed\] .*client.yaml: proxy: expected host:port, without a user and password")
            self.assertNotIn("s3cret", north.log)


class Configuration(unittest.TestCase):
    def start(self, consortium, **options):
        consortium.start_coordinator()
        north = consortium.start_site("north", {"chest": write_npz(consortium.folder / "a.npz", 32)}, policy=POLICY.replace("[chest]", "[chest, lung]"), **options)
        consortium.wait_connected()
        return north

    def change(self, consortium, **changes):
        file = consortium.folder / "north" / "client.yaml"
        config = json.loads(file.read_text())
        config.update(changes)
        (file.parent / "new").write_text(json.dumps(config))
        (file.parent / "new").rename(file)
        return file

    def datasets(self, consortium):
        return next((site["datasets"] for site in consortium.query("sites") if site["connected"]), None)

    def test_data_sets_of_client_yaml_are_taken_over_while_the_client_runs(self):
        with Consortium(["north"]) as consortium:
            north = self.start(consortium)
            self.assertEqual(examples(consortium), 32)
            other, moved = write_npz(consortium.folder / "b.npz", 48), write_npz(consortium.folder / "c.npz", 40)
            sets = {"chest": {"type": "npz", "path": str(moved)}, "lung": {"type": "npz", "path": str(other)}}
            self.change(consortium, datasets=sets)
            os.kill(north.pid, signal.SIGHUP)
            north.wait_for_log("client.yaml again")
            self.assertEqual(examples(consortium, seed=8), 40)
            self.assertEqual(examples(consortium, seed=8, data={"dataset": "lung"}), 48)
            eventually(lambda: self.datasets(consortium) == ["chest", "lung"], "the coordinator hears of the new data set")
            self.change(consortium, datasets={"lung": sets["lung"]})  # without a signal
            eventually(lambda: self.datasets(consortium) == ["lung"], "the coordinator hears that one is gone")
            consortium.submit(job(seed=9))
            north.wait_for_log("this site has no data set 'chest'")
            self.assertNotIn("restart is needed", north.log)

    def test_a_job_that_runs_goes_on_with_the_data_that_it_began_with(self):
        with Consortium(["north"]) as consortium:
            north = self.start(consortium)
            job_id = consortium.submit(job(federation={"rounds": 60, "minimum_sites": 1}, training={"local_epochs": 5}))
            consortium.wait_phase(job_id, "training", 2)
            other = write_npz(consortium.folder / "b.npz", 48)
            self.change(consortium, datasets={"chest": {"type": "npz", "path": str(other)}})
            north.wait_for_log("client.yaml again")
            self.assertEqual(examples(consortium, seed=8), 48)  # while the first job runs, so the trainer has to switch between the two
            ended = consortium.wait_ended(job_id)
            self.assertEqual((ended["phase"], len(ended["history"])), ("finished", 60), ended["detail"])
            self.assertFalse(any(entry["failed"] for entry in ended["history"]))
            self.assertEqual(json.loads((consortium.fetch(job_id) / "report.json").read_text())["examples"], 32)
            self.assertNotIn("lost the coordinator", north.log)

    def test_keys_that_need_a_restart_are_named_in_one_warning_and_the_log_changes_at_once(self):
        with Consortium(["north"]) as consortium:
            north = self.start(consortium)
            self.change(consortium, state_dir=str(consortium.folder / "elsewhere"), coordinator="127.0.0.1:9", log={"level": "info", "format": "json"})
            os.kill(north.pid, signal.SIGHUP)
            north.wait_for_log("client.yaml again")
            warnings = [json.loads(line) for line in north.log.splitlines() if "restart is needed" in line]
            self.assertEqual(len(warnings), 1, north.log)
            self.assertEqual((warnings[0]["level"], warnings[0]["keys"]) if "keys" in warnings[0] else None, ("warning", ["coordinator", "state_dir"]))
            self.assertEqual(examples(consortium), 32)

    def test_a_client_yaml_that_cannot_be_used_leaves_the_old_one_in_force(self):
        with Consortium(["north"]) as consortium:
            north = self.start(consortium)
            for changes, words in (({"datasets": {"chest": {"type": "npy", "path": "x"}}}, r"client.yaml: datasets.chest.type: expected .*, found 'npy'"),
                                   ({"datasets": {"chest": {"type": "npz", "path": "/nowhere.npz"}}}, r"datasets.chest.path: .*/nowhere.npz does not exist")):
                self.change(consortium, **changes)
                os.kill(north.pid, signal.SIGHUP)
                eventually(lambda words=words: re.search(r"error   \[config.refused\] .*" + words + ".*; the configuration read before stays in force", north.log), words + "\n" + north.log)
            self.assertEqual(examples(consortium), 32)

    def test_a_coordinator_takes_over_limits_and_log_and_names_what_needs_a_restart(self):
        with Consortium(["north"]) as consortium:
            self.start(consortium)
            coordinator = consortium.daemons["coordinator"]
            file = consortium.folder / "coordinator" / "coordinator.yaml"
            config = json.loads(file.read_text())
            file.write_text(json.dumps({**config, "quotas": {"jobs": 1}, "listen": "127.0.0.1:9"}))
            os.kill(coordinator.pid, signal.SIGHUP)
            coordinator.wait_for_log("coordinator.yaml again")
            self.assertRegex(coordinator.log, r"warning \[config.needs_restart\] .*coordinator.yaml: a restart is needed for: listen;")
            consortium.submit(job(federation={"rounds": 1000, "minimum_sites": 1}))
            file_two = consortium.folder / "two.yaml"
            file_two.write_text(json.dumps(job(seed=8)))
            refused = consortium.command("submit", file_two, check=False)
            self.assertNotEqual(refused.returncode, 0)
            file.write_text("listen: [")
            eventually(lambda: "[config.refused]" in coordinator.log, "a broken file is refused without a signal")
            self.assertEqual(consortium.connected_sites(), ["north"])


class Refused(unittest.TestCase):
    def revoke(self, consortium, site, *lists):
        run("consilium", "ca", "revoke", "--ca", consortium.folder / "ca", "--role", "site", "--name", site)
        for member in lists:
            self.hand_list(consortium, member)

    def test_a_revoked_site_reads_so_while_it_is_connected_and_when_it_starts_again(self):
        with Consortium(["north"]) as consortium:
            data = write_sites(consortium.folder, ["north"])
            consortium.start_coordinator()
            north = consortium.start_site("north", {"chest": data["north"]})
            consortium.wait_connected()
            self.revoke(consortium, "north", "coordinator")
            north.wait_for_log("error   [certificate.rejected] lost the coordinator at")
            self.assertRegex(north.log, r"lost the coordinator at \S+ this site's certificate \(\S+certificate.pem\) was revoked: .*consilium-client enroll")
            north.terminate()
            north.log_file.unlink()
            # The site's own list is old, and gRPC shows a client only that the connection was closed.
            again = consortium.start_site("north", {"chest": data["north"]})
            again.wait_for_log("[certificate.rejected] cannot attend the coordinator at")
            self.assertIn("was probably revoked", again.log)
            self.hand_list(consortium, "north")
            again.wait_for_log("certificate.pem) was revoked: its key is never accepted again")
            self.assertEqual(consortium.connected_sites(), [])

    def hand_list(self, consortium, member):
        shutil.copy(consortium.folder / "ca" / "crl.pem", consortium.folder / member / "crl.new")
        (consortium.folder / member / "crl.new").rename(consortium.folder / member / "crl.pem")

    def test_a_coordinator_whose_certificate_expires_is_told_of_at_both_ends(self):
        with Consortium(["north", "south"]) as consortium, ConnectProxy() as proxy:
            data = write_sites(consortium.folder, ["north", "south"])
            consortium.sign_for("coordinator", "coordinator", 12)
            coordinator = consortium.start_coordinator()
            north = consortium.start_site("north", {"chest": data["north"]})
            consortium.wait_connected("north")
            coordinator.wait_for_log("[certificate.ending]")
            coordinator.wait_for_log("this certificate ended 20")
            north.wait_for_log("[coordinator.refused]")
            south = consortium.start_site("south", {"chest": data["south"]}, proxy=f"127.0.0.1:{proxy.port}")  # which has never seen another
            south.wait_for_log("[coordinator.refused]")
            for site in (north, south):
                self.assertRegex(site.log, r"refused the coordinator: .*: the coordinator's certificate has expired")
                self.assertEqual(site.log.count("refused the coordinator"), 1)
            for daemon in (north, south, coordinator):
                daemon.terminate()
            with self.assertRaisesRegex(AssertionError, r"\[program.failed\] .*certificate has expired.*consilium ca sign"):
                consortium.start_coordinator()


if __name__ == "__main__":
    unittest.main()
