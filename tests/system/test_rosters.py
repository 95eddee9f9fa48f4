"""Rosters: their distribution, their use, and where the authority's key must not be."""

import json
import pathlib
import tempfile
import unittest

from consortium import Consortium, job, population, run
from sitedata import write_sites

SITES = ["east", "north", "south", "west"]


class Rosters(unittest.TestCase):
    def submit(self, consortium, spec, *arguments):
        file = consortium.folder / "job.yaml"
        file.write_text(json.dumps(spec))
        return consortium.command("submit", file, *arguments, check=False)

    def test_a_masked_job_without_a_roster_is_refused_before_anything_is_sent(self):
        with Consortium(SITES) as consortium:  # no coordinator is running
            refused = self.submit(consortium, job(masked=True))
            self.assertEqual(refused.returncode, 2)
            self.assertIn("job.yaml: federation.roster: job 'stripes' uses secure aggregation", refused.stderr)
            self.assertIn("consilium submit --roster FILE", refused.stderr)

    def test_a_roster_must_have_the_sites_that_the_job_lists(self):
        with Consortium(SITES) as consortium:
            refused = self.submit(consortium, job(masked=True, federation={"rounds": 1, "sites": [*SITES, "centre"]}), "--roster", consortium.roster)
            self.assertEqual(refused.returncode, 2)
            self.assertIn("job.yaml: federation.sites: 'centre' isn't in the roster", refused.stderr)

    def test_a_job_without_masks_takes_no_roster(self):
        with Consortium(SITES) as consortium:
            refused = self.submit(consortium, job(), "--roster", consortium.roster)
            self.assertEqual(refused.returncode, 2)
            self.assertIn("leave the roster out", refused.stderr)

    def test_a_client_checks_its_roster_before_it_starts(self):
        with Consortium(SITES) as consortium:
            data = write_sites(consortium.folder, ["east"])

            def check():
                return run("consilium-client", "--config", consortium.configure_site("east", {"chest": data["east"]}), "--check", check=False)

            consortium.port = 1  # the check connects to nothing
            self.assertEqual(check().returncode, 0)
            roster = consortium.folder / "east" / "roster.yaml"
            text = roster.read_text()
            roster.write_text(text.replace(consortium.name, "another-study"))
            self.assertIn("client.yaml: roster: roster.yaml: consortium: expected 'lung-consortium'", check().stderr)
            roster.write_text(text.replace("fingerprint:", "fingerprnt:", 1))
            self.assertIn("roster.yaml: sites[0].fingerprnt: unknown key", check().stderr)
            self.assertFalse((consortium.folder / "east" / "state").exists())

    def test_a_check_says_what_is_missing_writes_nothing_and_may_be_asked_while_the_client_runs(self):
        with Consortium(SITES, populations=population()) as consortium:
            consortium.port = 1  # the check connects to nothing
            data = write_sites(consortium.folder, ["east"])
            policy = "datasets: [chst]\nmax_rounds: 9\n"
            file = consortium.configure_site("east", {"chest": data["east"]}, policy=policy)

            def check(*arguments):
                return run("consilium-client", "--config", file, "--check", check=False)

            said = check()
            self.assertEqual(said.returncode, 1)
            self.assertIn("consilium-client: policy.yaml: tasks, strategies, max_local_epochs, minimum_cohort: missing, so this site accepts no job", said.stderr)
            self.assertIn("consilium-client: policy.yaml: datasets: 'chst' isn't among client.yaml's datasets (chest)", said.stderr)
            self.assertNotIn("client.yaml: ok", said.stdout)
            self.assertFalse((consortium.folder / "east" / "state").exists())
            daemon = consortium.start_site("east", {"chest": data["east"]})
            daemon.wait_for_log("cannot attend the coordinator")
            said = check()
            self.assertEqual(said.returncode, 0, said.stderr)
            self.assertIn("the client is running, so the data sets' paths were only compared with each other", said.stdout)
            self.assertNotIn("chst", said.stdout)

    def test_a_check_of_the_coordinator_finds_what_would_keep_it_from_starting(self):
        with Consortium(["north"]) as consortium:
            folder = consortium.folder / "coordinator"
            file = folder / "coordinator.yaml"

            def check(**changes):
                file.write_text(json.dumps({"listen": "127.0.0.1:0", "state_dir": str(folder / "state"), **changes}))
                return run("consilium-coordinator", "--config", file, "--check", check=False)

            tls = consortium.tls("coordinator")
            good = check(tls=tls)
            self.assertEqual((good.returncode, good.stdout.splitlines()[-1]), (0, f"{file}: ok"), good.stderr)
            self.assertFalse((folder / "state").exists())
            for changed, told in {"missing": ({**tls, "certificate": str(folder / "none.pem")}, "none.pem"),
                                  "another's key": ({**tls, "key": consortium.tls("north")["key"]}, "is not the key of"),
                                  "a site's": (consortium.tls("north"), "a site is not allowed to connect here")}.values():
                refused = check(tls=changed)
                self.assertEqual(refused.returncode, 1)
                self.assertIn(told, refused.stderr)
            (folder / "file").write_text("")
            self.assertIn("coordinator.yaml: state_dir: ", check(tls=tls, state_dir=str(folder / "file" / "state")).stderr)
            consortium.start_coordinator()
            self.assertEqual(check(tls=tls).returncode, 0)

    def test_a_client_does_not_start_with_one_folder_in_two_populations_nor_when_one_moves_to_another(self):
        with Consortium(SITES, populations={**population(), "heart": {"datasets": ["heart"], "examples": 64}}) as consortium:
            consortium.port = 1  # the check connects to nothing
            data = write_sites(consortium.folder, SITES)

            def check(**paths):
                return run("consilium-client", "--config", consortium.configure_site("east", paths), "--check", check=False)

            (consortium.folder / "link.npz").symlink_to(data["east"])
            (consortium.folder / "hard.npz").hardlink_to(data["east"])
            for name in ("link.npz", "hard.npz"):
                refused = check(chest=data["east"], heart=consortium.folder / name)
                self.assertEqual(refused.returncode, 1)
                self.assertIn("client.yaml: datasets.heart.path: ", refused.stderr)
                self.assertIn("Give each population its own data", refused.stderr)
            self.assertEqual(check(chest=data["east"], heart=data["west"]).returncode, 0)
            self.assertEqual(check(heart=data["east"], chest=data["west"]).returncode, 0)  # a check is not binding
            daemon = consortium.start_site("east", {"chest": data["east"], "heart": data["west"]})
            daemon.wait_for_log("cannot attend the coordinator")
            daemon.terminate()
            moved = check(heart=data["east"])
            self.assertEqual(moved.returncode, 1)
            self.assertIn("belongs permanently to the population 'chest'", moved.stderr)

    def test_a_hospitals_new_key_is_accepted_where_its_old_key_signed_it(self):
        with Consortium(SITES, populations=population()) as consortium:
            consortium.port = 1  # the check connects to nothing
            data = write_sites(consortium.folder, SITES)
            for site in ("east", "north"):
                consortium.configure_site(site, {"chest": data[site]})
                consortium.at_site(site, "roster", "accept", consortium.folder / "roster-1.yaml")
            old = (consortium.folder / "roster-1.yaml").read_text()
            new = consortium.folder / "new"
            run("consilium-client", "enroll", "--site", "north", "--consortium", consortium.name, "--out", new)
            signature = consortium.folder / "north.yaml"
            self.assertIn("names its successor", consortium.at_site("north", "roster", "successor", new / "north.csr", "--out", signature).stdout)

            ca = consortium.folder / "ca"
            run("consilium", "ca", "revoke", "--ca", ca, "--role", "site", "--name", "north")
            run("consilium", "ca", "sign", new / "north.csr", "--ca", ca, "--role", "site", "--name", "north", "--out", new / "certificate.pem")
            made = ["consilium", "ca", "roster", "--ca", ca, "--consortium", consortium.folder / "consortium.yaml", "--previous", consortium.folder / "roster-1.yaml"]
            next_roster = consortium.folder / "roster-2.yaml"
            without = run(*made, "--out", next_roster, check=False)
            self.assertEqual(without.returncode, 1)
            self.assertIn("the old key didn't sign that", without.stderr)
            run(*made, "--successor", signature, "--out", next_roster)
            said = consortium.at_site("east", "roster", "check", next_roster)
            self.assertIn("(the old key signed that)", said.stdout)

            # The authority's administrator could still write any file, but the sites don't accept this one.
            text = next_roster.read_text()
            next_roster.write_text(text[:text.index("successions:")])
            refused = consortium.at_site("east", "roster", "check", next_roster, check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("Not acceptable: ", refused.stdout)
            self.assertIn("the old key didn't sign that", refused.stdout)
            self.assertNotIn("successions:", old)

    def test_the_sandbox_gives_every_member_a_roster_and_keeps_the_authority_from_the_coordinator(self):
        with tempfile.TemporaryDirectory(prefix="consilium-system-") as folder:
            folder = pathlib.Path(folder)
            (folder / "job.yaml").write_text(json.dumps({
                "name": "tiny", "model": {"layers": [{"linear": 10}], "input": [60], "classes": 10}, "data": {"dataset": "synthetic"},
                "training": {"optimizer": {"name": "sgd", "learning_rate": 0.01}}, "federation": {"rounds": 1, "sites": SITES},
                "privacy": {"secure_aggregation": "off"}, "evaluation": {"every": 1, "split": "test"}}))
            done = run("consilium", "sandbox", folder / "job.yaml", "--data", "synthetic:1,1", "--keep", folder / "kept", check=False)
            self.assertIn(done.returncode, (0, 7), done.stderr)  # 7: whether it is better than alone doesn't matter here
            self.assertIn("secure aggregation is off", done.stdout)
            kept = folder / "kept"
            self.assertTrue((kept / "offline" / "ca" / "root.key").exists())
            self.assertEqual(list(kept.rglob("root.key")), [kept / "offline" / "ca" / "root.key"])
            self.assertIn("never on the coordinator's", (kept / "README.txt").read_text())
            comparison = json.loads((kept / "results" / "report.json").read_text())["comparison"]
            self.assertEqual(set(comparison), {"split", "alone", "federated", "pooled", "gain"})
            self.assertIn("Was it worth joining?", (kept / "results" / "report.html").read_text())
            roster = (kept / "researcher" / "roster.yaml").read_text()
            for site in SITES:
                self.assertIn(f'name: "{site}"', roster)
                self.assertEqual((kept / "sites" / site / "roster.yaml").read_text(), roster)
                self.assertIn("roster: roster.yaml", (kept / "sites" / site / "client.yaml").read_text())


if __name__ == "__main__":
    unittest.main()
