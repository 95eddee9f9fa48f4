"""SIGTERM ends each daemon cleanly in each phase, within 5 seconds, and leaves no trainer behind."""

import os
import unittest

from consortium import Consortium, children_of, eventually, job, trainers_of
from sitedata import write_sites

LIMIT = 5.0


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Shutdown(unittest.TestCase):
    def stop_in(self, phase, who):
        with Consortium(["east", "north"]) as consortium:
            data = write_sites(consortium.folder, consortium.sites, train=512, evaluation=2048 if phase == "evaluating" else 32)
            consortium.start_coordinator()
            for site in consortium.sites:
                consortium.start_site(site, {"chest": data[site]})
            consortium.wait_connected()
            spec = job(federation={"rounds": 1000, "sites": consortium.sites, "minimum_sites": 2},
                       training={"local_epochs": 200 if phase == "training" else 1})
            if phase == "recruiting":
                spec["federation"].update(sites=["east", "north", "west"], minimum_sites=3)
            if phase != "idle":
                consortium.wait_phase(consortium.submit(spec), phase)
            if phase in ("training", "evaluating"):
                self.assertEqual([len(trainers_of(consortium.daemons[site].pid)) for site in consortium.sites], [1] * len(consortium.sites))
            children = children_of(consortium.daemons["east"].pid)  # a trainer and its decoder
            code, seconds = consortium.daemons[who].terminate()
            self.assertEqual(code, 0, consortium.daemons[who].log)
            self.assertLess(seconds, LIMIT)
            if who == "east":
                eventually(lambda: not any(alive(pid) for pid in children), "no trainer or decoder is left behind")
            other = "coordinator" if who == "east" else "east"
            self.assertIsNone(consortium.daemons[other].process.poll(), "the other side stays up")
            code, seconds = consortium.daemons[other].terminate()
            self.assertEqual(code, 0, consortium.daemons[other].log)
            self.assertLess(seconds, LIMIT)

    def test_coordinator_idle(self):
        self.stop_in("idle", "coordinator")

    def test_coordinator_recruiting(self):
        self.stop_in("recruiting", "coordinator")

    def test_coordinator_training(self):
        self.stop_in("training", "coordinator")

    def test_coordinator_evaluating(self):
        self.stop_in("evaluating", "coordinator")

    def test_site_idle(self):
        self.stop_in("idle", "east")

    def test_site_recruiting(self):
        self.stop_in("recruiting", "east")

    def test_site_training(self):
        self.stop_in("training", "east")

    def test_site_evaluating(self):
        self.stop_in("evaluating", "east")

    def test_a_killed_daemon_takes_its_trainer_with_it(self):
        with Consortium(["east"]) as consortium:
            data = write_sites(consortium.folder, ["east"], train=512)
            consortium.start_coordinator()
            consortium.start_site("east", {"chest": data["east"]})
            consortium.wait_connected()
            job_id = consortium.submit(job(training={"local_epochs": 200}))
            consortium.wait_phase(job_id, "training")
            trainer = consortium.trainer_of("east")
            consortium.daemons["east"].kill()
            eventually(lambda: not alive(trainer), "the trainer ends with its daemon")
            self.assertFalse(os.path.exists(f"/proc/{trainer}/fd/3"))


if __name__ == "__main__":
    unittest.main()
