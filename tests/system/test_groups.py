"""Mode masked: sums over whole groups of hospitals, which sites check and sign. Which absences matter, and what nobody ever sees."""

import contextlib
import json
import os
import signal
import unittest

from consortium import Consortium, eventually, halted, job, population
from sitedata import write_sites

FOUR = ["east", "north", "south", "west"]
TWO_GROUPS = [["a1", "a2", "a3", "a4"], ["b1", "b2", "b3", "b4"]]


def short_job(**sections):
    """Returns a job file without any key of its own about privacy, with short rounds."""
    spec = job(masked=True, **{"training": {"local_epochs": 30}, **sections})
    del spec["privacy"]
    return spec


def start(consortium, *sites, data=None, **options):
    data = data or write_sites(consortium.folder, consortium.sites)
    consortium.start_coordinator()
    for site in sites or consortium.sites:
        consortium.start_site(site, {"chest": data[site]}, **options)
    consortium.wait_connected(*sites)
    return data


def detail_of(consortium, job_id):
    status = consortium.status(job_id)
    if status["phase"] in ("finished", "stopped", "failed"):
        raise AssertionError(f"the job ended: {status['phase']}: {status['detail']}")
    return status["detail"]


def wait_detail(consortium, job_id, *words):
    return eventually(lambda: (lambda detail: detail if all(word in detail for word in words) else None)(detail_of(consortium, job_id)),
                      f"{job_id} says {words}")


class UnfitData(unittest.TestCase):
    def test_a_site_above_the_bound_ends_the_job_and_only_its_own_log_has_the_number(self):
        with Consortium(FOUR, populations=population()) as consortium:
            data = write_sites(consortium.folder, FOUR)
            (consortium.folder / "much").mkdir()
            data.update(write_sites(consortium.folder / "much", ["west"], train=66))
            start(consortium, data=data)
            ended = consortium.wait_ended(consortium.submit(short_job()))
            self.assertEqual(ended["phase"], "failed")
            self.assertIn("west declined: examples", ended["detail"])
            self.assertIn("this site had 66 training examples when the job began, and the bound of 'chest' is 64: ask the consortium's certificate authority for a roster with a higher bound",
                          consortium.daemons["west"].log)
            for other in ("coordinator", *FOUR[:3]):
                self.assertNotRegex(consortium.daemons[other].log, r"\b66 training")
            given = json.loads(consortium.at_site("east", "releases", "--json").stdout)["releases"]
            self.assertLessEqual({one["kind"] for one in given}, {"census"})  # a vector that was masked for a sum that was never completed

    def test_a_result_that_is_no_number_ends_the_job_and_only_the_site_itself_knows_whose_it_was(self):
        with Consortium(FOUR, populations=population()) as consortium:
            data = write_sites(consortium.folder, FOUR)
            start(consortium, *FOUR[:3], data=data)
            consortium.start_site("west", {"chest": data["west"]},
                                  trainer={"command": [str(consortium.program("consilium-rogue-trainer")), "nan-delta"]})
            consortium.wait_connected()
            job_id = consortium.submit(short_job())
            ended = consortium.wait_ended(job_id)
            self.assertEqual(ended["phase"], "failed")
            self.assertIn("a site's result was unusable", ended["detail"])
            self.assertNotIn("west", ended["detail"])
            self.assertIn("this site's result can't be used", consortium.daemons["west"].log)
            for other in FOUR[:3]:
                self.assertNotIn("can't be used", consortium.daemons[other].log)
            for line in consortium.daemons["coordinator"].log.splitlines():
                if "unusable" in line or "train 1" in line:
                    self.assertNotIn("west", line)

class OneGroup(unittest.TestCase):
    """One consortium, with a job in each test. Whichever process dies, the model is that of an undisturbed simulation."""

    @classmethod
    def setUpClass(cls):
        cls.consortium = Consortium(FOUR, populations=population())
        cls.consortium.__enter__()
        cls.addClassCleanup(cls.consortium.__exit__, None, None, None)
        cls.data = start(cls.consortium)

    def setUp(self):
        for site in FOUR:
            if self.consortium.daemons[site].process.poll() is not None:
                self.restart(site)
        self.consortium.wait_connected()

    def restart(self, site):
        return self.consortium.start_site(site, {"chest": self.data[site]})

    def test_a_job_without_any_key_about_privacy_ends_and_every_site_lists_what_it_gave(self):
        job_id = self.consortium.submit(short_job())
        ended = self.consortium.wait_ended(job_id)
        self.assertEqual(ended["phase"], "finished", ended["detail"])
        for site in FOUR:
            self.assertEqual(self.given(site, job_id), [("census", 0), *((kind, number) for number in (1, 2, 3) for kind in ("train", "evaluate"))])
        self.assertEqual([entry["test"]["examples"] for entry in ended["history"]], [4 * 32] * 3)
        for entry in ended["history"]:
            self.assertEqual(sorted(entry["contributed"]), FOUR)
            self.assertNotIn("sites", entry["test"])

    def given(self, site, job_id):
        """Returns the kinds and rounds of the sums of a job that a site lists. A sum that was started twice appears twice."""
        listed = [one for one in json.loads(self.consortium.at_site(site, "releases", "--json").stdout)["releases"] if one["job_id"] == job_id]
        for one in listed:
            self.assertEqual({key: one[key] for key in ("population", "researcher", "group")}, {"population": "chest", "researcher": "ada", "group": 0})
        return list(dict.fromkeys((one["kind"], one["round"]) for one in listed))

    def test_a_learning_rate_that_leads_nowhere_ends_the_job(self):
        ended = self.consortium.wait_ended(self.consortium.submit(short_job(training={"optimizer": {"name": "sgd", "learning_rate": 1e30}})))
        self.assertEqual(ended["phase"], "failed")
        self.assertIn("Look for a learning rate that is too high", ended["detail"])
        for site in FOUR:
            self.assertIn("loss became NaN", self.consortium.daemons[site].log)

    def submit(self, seed):
        self.spec = short_job(seed=seed, federation={"rounds": 6}, evaluation={"every": 0})
        return self.consortium.submit(self.spec)

    def assert_undisturbed(self, job_id):
        ended = self.consortium.wait_ended(job_id, seconds=60)
        self.assertEqual(ended["phase"], "finished", ended["detail"])
        model = (self.consortium.fetch(job_id) / "model.safetensors").read_bytes()
        self.assertEqual(model, (self.consortium.simulate(self.spec) / "model.safetensors").read_bytes())
        for entry in ended["history"]:
            self.assertEqual(sorted(entry["contributed"]), FOUR)

    @contextlib.contextmanager
    def all_but(self, site, job_id):
        """Lets all vectors of a round arrive except this site's, whose trainer is halted meanwhile."""
        with contextlib.ExitStack() as stack:
            def caught():
                self.consortium.wait_phase(job_id, "training", 1)
                with contextlib.ExitStack() as trial:
                    trial.enter_context(halted(self.consortium.trainer_of(site)))
                    seen = []  # data that the site's client still had to send when its trainer was halted arrive meanwhile

                    def others_are_in():
                        now = self.consortium.status(job_id)
                        seen.append(now["phase"] == "training" and "3 of 4 vectors have arrived" in now["detail"] and now["round"])
                        return len(seen) >= 4 and seen[-1] is not False and len(set(seen[-4:])) == 1

                    with contextlib.suppress(AssertionError):
                        eventually(others_are_in, "the others have answered", 2)
                        stack.push(trial.pop_all())
                        return True
                return None

            eventually(caught, f"{site} is halted while it trains")
            yield self.consortium.status(job_id)["round"]

    def test_a_site_killed_before_its_upload_is_waited_for_by_name(self):
        job_id = self.submit(1)
        with self.all_but("west", job_id):
            self.consortium.daemons["west"].kill()
        detail = wait_detail(self.consortium, job_id, "waits for west (gone since ")
        self.assertRegex(detail, r"waits for west \(gone since \d\d:\d\d UTC\); it goes on when all sites of the group are connected")
        self.assertIn("waits for west (gone since ", self.consortium.command("jobs").stdout)
        self.restart("west")
        self.assert_undisturbed(job_id)

    def test_a_site_killed_after_its_upload_is_not_missed(self):
        job_id = self.submit(2)
        with self.all_but("east", job_id) as before:
            self.consortium.daemons["west"].kill()
        eventually(lambda: self.consortium.status(job_id)["round"] == before + 1, "the round is committed without west")
        wait_detail(self.consortium, job_id, "waits for west (gone since ")
        self.restart("west")
        self.assert_undisturbed(job_id)

    def test_a_site_killed_while_it_checks_the_total_signs_once_it_is_back(self):
        job_id = self.submit(3)
        west = self.consortium.daemons["west"]
        with contextlib.ExitStack() as north:
            with contextlib.ExitStack() as stopped:
                with self.all_but("east", job_id) as before:
                    stopped.enter_context(halted(west.pid))
                    north.enter_context(halted(self.consortium.daemons["north"].pid))
                wait_detail(self.consortium, job_id, "sites check the total; signatures of north, west are missing")
                with halted(self.consortium.daemons["coordinator"].pid):  # so west doesn't receive the total
                    state = self.consortium.folder / "west" / "state"
                    written = self.ledger_times(state)
                    stopped.close()
                    eventually(lambda: self.ledger_times(state) != written, "west has recorded which total it checks")
                    west.kill()
            self.restart("west")  # three of four signatures are needed, so west's is one of them
            eventually(lambda: self.consortium.status(job_id)["round"] == before + 1, "the round is committed with west's signature")
        self.assert_undisturbed(job_id)

    @staticmethod
    def ledger_times(state):
        return {file.name: file.stat().st_mtime_ns for file in state.glob("*.db*")}

    def test_a_trainer_that_is_killed_trains_once_more(self):
        job_id = self.submit(4)
        log = self.consortium.daemons["west"].log_file
        with self.all_but("west", job_id):
            os.kill(self.consortium.trainer_of("west"), signal.SIGKILL)
        eventually(lambda: "trying once more" in log.read_text(), "west says so")
        self.assert_undisturbed(job_id)

    def test_all_clients_may_restart_between_rounds(self):
        job_id = self.submit(5)
        self.consortium.wait_phase(job_id, "training", 1)
        for site in FOUR:
            self.consortium.daemons[site].terminate()
        wait_detail(self.consortium, job_id, "waits for east (gone since ")
        for site in FOUR:
            self.restart(site)
        self.assert_undisturbed(job_id)
        for site in FOUR:
            self.assertEqual(self.given(site, job_id), [("census", 0), *(("train", number) for number in range(1, 7))])


class TwoGroups(unittest.TestCase):
    """Eight hospitals in two groups, with a job in each test."""

    @classmethod
    def setUpClass(cls):
        cls.consortium = Consortium(sum(TWO_GROUPS, []), populations=population(groups=TWO_GROUPS))
        cls.consortium.__enter__()
        cls.addClassCleanup(cls.consortium.__exit__, None, None, None)
        cls.data = start(cls.consortium)

    def contributed(self, ended):
        return ["".join(sorted({name[0] for name in entry["contributed"]})) for entry in ended["history"]]

    def test_one_group_goes_on_after_the_deadline_while_the_other_has_lost_a_site(self):
        consortium = self.consortium
        job_id = consortium.submit(short_job(federation={"rounds": 5, "quorum": 0.5, "deadline": "3s"}, evaluation={"every": 0}))
        consortium.wait_phase(job_id, "training", 1)
        consortium.daemons["b4"].kill()
        wait_detail(consortium, job_id, "group 2: waits for b4 (gone since ")
        eventually(lambda: "a" in self.contributed(consortium.status(job_id)), "a round without the second group")
        consortium.start_site("b4", {"chest": self.data["b4"]})
        ended = consortium.wait_ended(job_id)
        self.assertEqual(ended["phase"], "finished", ended["detail"])
        self.assertIn("a", self.contributed(ended))
        self.assertEqual(self.contributed(ended)[-1], "ab")

    def test_a_fraction_draws_groups(self):
        consortium = self.consortium
        ended = consortium.wait_ended(consortium.submit(short_job(federation={"rounds": 8, "fraction": 0.5}, evaluation={"every": 8})))
        self.assertEqual(ended["phase"], "finished", ended["detail"])
        self.assertEqual(set(self.contributed(ended)), {"a", "b"})
        for entry in ended["history"]:
            self.assertIn(sorted(entry["contributed"]), TWO_GROUPS)
        self.assertEqual(ended["history"][-1]["test"]["examples"], 8 * 32)  # every group evaluates, drawn or not


if __name__ == "__main__":
    unittest.main()
