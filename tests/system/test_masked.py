"""Masked jobs by real daemons: which sites can be missing at which step, what is refused, and what the coordinator never holds."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import time
import unittest

import npz
from consortium import Consortium, children_of, eventually, halted, job, population
from sitedata import write_sites

FOUR = ["east", "north", "south", "west"]
FIVE = ["centre", *FOUR]
MODEL = {"layers": ["flatten", {"linear": 2}], "input": [1, 28, 28], "classes": 2}
LIMIT = 5.0  # seconds within which a daemon must stop


def masked_job(sites, federation=None, **sections):
    """Returns a small masked job of these sites, one of which may collude: of five sites, four must stay."""
    federation = {"rounds": 2, "sites": sites, "minimum_sites": 3, "quorum": 0.75 if len(sites) == 4 else 0.8, "deadline": "60s",
                  **(federation or {})}
    return job(masked=True, **{"model": MODEL, "federation": federation, "privacy": {"colluding_sites": 1}, **sections})


def start(consortium, *sites, train=64, slow=None):
    """Starts the coordinator and these sites (or all). Returns the paths of the data of all. A slow site has a hundred times as much data."""
    data = write_sites(consortium.folder, consortium.sites, train=train)
    if slow:
        (consortium.folder / "much").mkdir()
        data.update(write_sites(consortium.folder / "much", [slow], train=100 * train))
    consortium.start_coordinator()
    for site in sites or consortium.sites:
        consortium.start_site(site, {"chest": data[site]})
    consortium.wait_connected(*sites)
    return data


def values_of(folder, files):
    """Every text and blob in an SQLite database, which another process may have open, as bytes. `files` are the database's and its log's."""
    folder.mkdir()
    for file in files:
        shutil.copy(file, folder)
    with contextlib.closing(sqlite3.connect(folder / min(files, key=lambda file: len(file.name)).name)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        cells = [cell for table in tables for row in database.execute(f"SELECT * FROM {table}") for cell in row]
    return [cell.encode() if isinstance(cell, str) else cell for cell in cells if isinstance(cell, (str, bytes))]


class InEitherMode:
    """Properties of sums over whole groups (mode masked) and of sums over the sites that stay (mode masked-threshold)."""

    populations = None  # of the consortium; without them the mode is masked-threshold

    def consortium(self):
        return Consortium(FOUR, populations=self.populations)

    def job_of_four(self, federation=None, **sections):
        if self.populations is None:
            return masked_job(FOUR, federation, **sections)
        spec = job(masked=True, model=MODEL, federation={"rounds": 2, **(federation or {})}, **sections)
        del spec["privacy"]  # everything comes from the roster
        return spec

    def assert_finished(self, ended):
        self.assertEqual(ended["phase"], "finished", ended["detail"])

    def test_four_sites_train_to_the_end_and_the_report_has_the_federations_metrics_alone(self):
        with self.consortium() as consortium:
            start(consortium)
            job_id = consortium.submit(self.job_of_four({"rounds": 3}))
            self.assert_finished(consortium.wait_ended(job_id))
            report = json.loads((consortium.fetch(job_id) / "report.json").read_text())
            self.assertEqual([entry["round"] for entry in report["rounds"]], [1, 2, 3])
            for entry in report["rounds"]:
                self.assertEqual(sorted(entry["contributed"]), FOUR)
                self.assertEqual(entry["test"]["examples"], 4 * 32)
                self.assertNotIn("sites", entry["test"])
            self.assertNotIn(" OFF", consortium.daemons["coordinator"].log)

    # What the coordinator never holds.

    def test_neither_the_coordinator_nor_another_site_holds_a_count_of_a_site(self):
        rare = {"train": (531, 202), "test": (67, 46)}  # of each class, at west
        canaries = {sum(rare["train"]), *rare["train"], sum(rare["test"]), *rare["test"]}
        with self.consortium() as consortium:
            data = write_sites(consortium.folder, FOUR)
            images, labels = npz.striped_images(2 * max(rare["train"]), 7)

            def draw(counts):
                picked = [index for label in (0, 1) for index in [i for i, found in enumerate(labels) if found == label][:counts[label]]]
                return [images[i] for i in picked], [labels[i] for i in picked]

            npz.write(data["west"], npz.dataset(draw(rare["train"]), draw((3, 3)), draw(rare["test"])))
            consortium.start_coordinator()
            for site in FOUR:
                consortium.start_site(site, {"chest": data[site]})
            consortium.wait_connected()
            job_id = consortium.submit(self.job_of_four())
            self.assert_finished(consortium.wait_ended(job_id))
            report = consortium.fetch(job_id) / "report.json"
            examples = json.loads(report.read_text())["rounds"][0]["test"]["examples"]
            self.assertEqual(examples, 3 * 32 + sum(rare["test"]))  # the sum is present

            told = [consortium.command("jobs", "--json").stdout, consortium.command("watch", job_id, "--json", check=False).stdout,
                    report.read_text()]
            files = [file for file in (consortium.folder / "coordinator").rglob("*") if file.is_file() and file.suffix not in (".key", ".pem")]
            files += [consortium.daemons[site].log_file for site in FOUR[:3]]
            self.assertGreater(len(files), 3)
            # A database's pages have numbers and gaps of their own, so its values are looked at, and not its bytes.
            databases = [file for file in files if file.name.startswith("jobs.db")]
            files = [file for file in files if file not in databases]
            values = values_of(consortium.folder / "copy", databases)
            self.assertIn(job_id.encode(), values)
            for source, content in [*((str(file), file.read_bytes()) for file in files), *(("jobs.db", value) for value in values), *(("command", text.encode()) for text in told)]:
                # A cell of the federation's confusion matrix is a sum over four sites and can have any value, even a canary's.
                content = re.sub(rb'"(confusion|counts)":\s*\[[^\]]*\]', b"", content)
                for canary in canaries:
                    as_text = re.search(rb"(?<![0-9A-Za-z.:])%d(?![0-9A-Za-z])" % canary, content)
                    if source.endswith((".json", "log", "command")) or b"\0" not in content:
                        self.assertIsNone(as_text, f"{canary} in {source}: {content[max(0, as_text.start() - 60):as_text.end() + 20] if as_text else b''}")
                    self.assertNotIn(canary.to_bytes(8, "little"), content, f"{canary} in {source}")
            self.assertNotRegex(told[-1], '"sites": *{')

    # Stops and restarts.

    def stop_in_training(self, who):
        with self.consortium() as consortium:
            start(consortium)
            job_id = consortium.submit(self.job_of_four(training={"local_epochs": 300}))
            consortium.wait_phase(job_id, "training", 1)
            trainers = children_of(consortium.daemons["east"].pid)
            for name in (who, "east" if who == "coordinator" else "coordinator"):
                code, seconds = consortium.daemons[name].terminate()
                self.assertEqual(code, 0, consortium.daemons[name].log)
                self.assertLess(seconds, LIMIT)
            eventually(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in trainers), "no trainer is left")

    def test_a_coordinator_stops_cleanly_in_a_masked_round(self):
        self.stop_in_training("coordinator")

    def test_a_client_stops_cleanly_in_a_masked_round(self):
        self.stop_in_training("east")

    def test_after_a_restart_of_the_coordinator_a_job_of_the_same_name_gets_another_number(self):
        with self.consortium() as consortium:
            start(consortium)
            first = consortium.submit(self.job_of_four({"rounds": 1}))
            self.assert_finished(consortium.wait_ended(first))
            consortium.daemons["coordinator"].terminate()
            consortium.start_coordinator()
            consortium.wait_connected()
            second = consortium.submit(self.job_of_four({"rounds": 1}, seed=8))
            self.assertEqual((first, second), ("stripes-1", "stripes-2"))
            self.assert_finished(consortium.wait_ended(second))


class OverThoseThatStay(InEitherMode, unittest.TestCase):
    """Mode masked-threshold."""

    def test_two_masked_jobs_run_at_once(self):
        sites = [*FOUR, "coast", "hill"]
        with Consortium(sites) as consortium:
            start(consortium)
            jobs = [consortium.submit(masked_job(sites[:3], {"quorum": 1.0, "rounds": 20}, name="first")),
                    consortium.submit(masked_job(sites[3:], {"quorum": 1.0, "rounds": 20}, name="second"))]
            self.assertNotIn("queued", [consortium.status(job_id)["phase"] for job_id in jobs])
            for job_id in jobs:
                self.assert_finished(consortium.wait_ended(job_id))

    # A site is killed at a step; of five, four remain.

    def in_census(self, consortium, halted_site):
        """All sites but the centre have accepted the job; `halted_site` is silent. Then the centre comes, and the census opens."""
        data = start(consortium, *FOUR)
        job_id = consortium.submit(masked_job(FIVE))
        for site in FOUR:
            consortium.daemons[site].wait_for_log("accepted job")
        silent = halted(consortium.daemons[halted_site].pid)
        silent.__enter__()
        consortium.start_site("centre", {"chest": data["centre"]})
        consortium.wait_phase(job_id, "census")
        return job_id, silent

    def assert_goes_on_with_four(self, consortium, job_id, missing="west"):
        ended = consortium.wait_ended(job_id)
        self.assert_finished(ended)
        for entry in ended["history"]:
            self.assertEqual(sorted(entry["contributed"]), sorted(set(FIVE) - {missing}))

    def test_a_site_killed_before_it_advertises_its_keys_is_no_member(self):
        with Consortium(FIVE) as consortium:
            job_id, _ = self.in_census(consortium, "west")
            consortium.daemons["west"].kill()
            self.assert_goes_on_with_four(consortium, job_id)

    def test_a_site_killed_before_it_shares_its_keys_is_no_member(self):
        with Consortium(FIVE) as consortium:
            job_id, east = self.in_census(consortium, "east")
            time.sleep(0.5)  # the others advertise; none can share before the list, which waits for east
            consortium.daemons["west"].kill()
            east.__exit__(None, None, None)
            self.assert_goes_on_with_four(consortium, job_id)

    def test_a_site_killed_while_it_trains_is_missed(self):
        with Consortium(FIVE) as consortium:
            start(consortium, slow="west")
            job_id = consortium.submit(masked_job(FIVE, training={"local_epochs": 20}))
            consortium.wait_phase(job_id, "training", 1)
            consortium.daemons["west"].kill()
            self.assert_goes_on_with_four(consortium, job_id)
            self.assertIn("site west: disconnected", consortium.daemons["coordinator"].log)

    def test_a_site_killed_while_it_uploads_is_missed(self):
        with Consortium(FIVE) as consortium:
            start(consortium)
            large = {**MODEL, "layers": ["flatten", {"linear": 4000}, "relu", {"linear": 2}]}  # more than the network's buffers hold
            job_id = consortium.submit(masked_job(FIVE, {"rounds": 1}, model=large, evaluation={"every": 0}))
            consortium.wait_phase(job_id, "training", 1)
            state = consortium.folder / "west" / "state"
            with contextlib.ExitStack() as coordinator:
                with halted(consortium.trainer_of("west")):
                    eventually(lambda: list((state / "models").iterdir()), "west fetches the model")
                    time.sleep(1)  # the site has the model and agrees on keys, but can't finish its training
                    coordinator.enter_context(halted(consortium.daemons["coordinator"].pid))
                eventually(lambda: list((state / "vectors").glob("*.masked")), "west has begun to send its vector")
                consortium.daemons["west"].kill()
            self.assert_goes_on_with_four(consortium, job_id)

    def kill_after_upload(self, consortium, *victims, rounds=2, deadline="60s"):
        """Kills sites whose vectors the coordinator has, while east is still training. The survivors' list will name them."""
        job_id = consortium.submit(masked_job(FIVE, {"rounds": rounds, "deadline": deadline}, training={"local_epochs": 20}))
        consortium.wait_phase(job_id, "training", 1)
        trainer = consortium.trainer_of("east")
        with halted(trainer):
            for victim in victims:
                eventually(lambda: consortium.status(job_id)["sites"].get(victim) == "answered", f"{victim} has answered")
                consortium.daemons[victim].kill()
            yield job_id
        yield job_id

    def test_a_site_killed_after_its_upload_is_in_the_sum_and_takes_part_again_once_restarted(self):
        with Consortium(FIVE) as consortium:
            data = start(consortium, slow="east")
            steps = self.kill_after_upload(consortium, "west", rounds=3)
            job_id = next(steps)
            west = consortium.start_site("west", {"chest": data["west"]})
            eventually(lambda: west.log.count("accepted job " + job_id) == 2, "west has accepted the job again")
            next(steps)
            ended = consortium.wait_ended(job_id)
            self.assert_finished(ended)
            self.assertEqual([sorted(entry["contributed"]) for entry in ended["history"]], [FIVE] * 3)
            # Its ledger still knows the members, so it evaluates with the others.
            self.assertEqual(ended["history"][-1]["test"]["examples"], 5 * 32)

    def test_too_few_left_after_their_uploads_end_the_job_with_the_reason(self):
        with Consortium(FIVE) as consortium:
            start(consortium, slow="east")
            steps = self.kill_after_upload(consortium, "west", "south", deadline="10s")
            job_id = next(steps)
            next(steps)
            ended = consortium.wait_ended(job_id)
            self.assertEqual(ended["phase"], "failed")
            self.assertIn("3 of 5 survivors confirmed, 4 are needed: south: disconnected; west: disconnected",
                          ended["detail"])
            self.assertEqual(ended["history"], [])
            log = consortium.daemons["coordinator"].log
            self.assertIn("site west: no answer while confirming", log)
            self.assertIn("site south: no answer while confirming", log)

    def test_too_few_left_in_training_end_the_job_with_the_reason(self):
        with Consortium(FIVE) as consortium:
            start(consortium, train=1600)
            job_id = consortium.submit(masked_job(FIVE, training={"local_epochs": 60}))
            consortium.wait_phase(job_id, "training", 1)
            for site in ("north", "south", "west"):
                consortium.daemons[site].kill()
            eventually(lambda: "waiting for 3 sites, 2 accepted" in consortium.status(job_id)["detail"], "the job waits")
            consortium.command("stop", job_id)
            self.assertEqual(consortium.wait_ended(job_id)["phase"], "stopped")

    # No fallback.

    def test_a_site_without_a_roster_declines_and_both_logs_say_why(self):
        with Consortium(FOUR) as consortium:
            (consortium.folder / "west" / "roster.yaml").unlink()
            start(consortium)
            ended = consortium.wait_ended(consortium.submit(masked_job(FOUR, {"rounds": 1})))
            self.assert_finished(ended)
            self.assertEqual(sorted(ended["history"][0]["contributed"]), FOUR[:3])
            self.assertIn("isn't on this site's roster (client.yaml: roster)", consortium.daemons["west"].log)
            self.assertIn("site west declined: signature", consortium.daemons["coordinator"].log)

    def test_where_too_few_sites_can_mask_the_job_fails_and_nothing_is_sent_in_the_clear(self):
        with Consortium(FOUR) as consortium:
            for site in ("south", "west"):
                (consortium.folder / site / "roster.yaml").unlink()
            start(consortium)
            ended = consortium.wait_ended(consortium.submit(masked_job(FOUR)))
            self.assertEqual(ended["phase"], "failed")
            self.assertIn("too few of the listed sites take part", ended["detail"])
            self.assertIn("south: declined: signature", ended["detail"])
            self.assertEqual(ended["history"], [])
            for site in FOUR:
                self.assertNotIn(" OFF", consortium.daemons[site].log)

class WholeGroups(InEitherMode, unittest.TestCase):
    """Mode masked."""

    populations = population(examples=1000)

    def test_a_site_without_a_roster_declines_and_the_job_ends_with_nothing_sent(self):
        with self.consortium() as consortium:
            (consortium.folder / "west" / "roster.yaml").unlink()
            start(consortium)
            ended = consortium.wait_ended(consortium.submit(self.job_of_four()))
            self.assertEqual(ended["phase"], "failed")
            self.assertIn("west declined: signature", ended["detail"])
            self.assertEqual(ended["history"], [])
            self.assertIn("isn't on this site's roster (client.yaml: roster)", consortium.daemons["west"].log)
            for site in FOUR[:3]:
                self.assertEqual(json.loads(consortium.at_site(site, "releases", "--json").stdout)["releases"], [])


if __name__ == "__main__":
    unittest.main()
