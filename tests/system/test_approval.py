"""People at the hospitals decide about jobs: which jobs wait, run or are refused, and how people learn of it."""

import json
import os
import signal
import unittest

from consortium import POLICY, Consortium, eventually, job, run
from sitedata import write_sites



def named_job(**sections):
    """A job with a known model."""
    return {**job(**sections), "model": {"name": "mlp_2nn", "input": [1, 28, 28], "classes": 2}}


def consortium_of(*sites, **options):
    return Consortium(sites, approving=False, **options)


class Approval(unittest.TestCase):
    def start(self, consortium, policy=POLICY):
        consortium.start_coordinator()
        for site, data in write_sites(consortium.folder, consortium.sites).items():
            consortium.start_site(site, {"chest": data}, policy=policy)
        consortium.wait_connected()

    def wait_offered(self, consortium, site, job_id, state="waits"):
        def there():
            listed = json.loads(consortium.at_site(site, "jobs", "--json").stdout)["jobs"]
            return next((one for one in listed if one["job_id"] == job_id and one["state"] == state), None)

        return eventually(there, f"{job_id} {state} at {site}", every=0.1)

    def site_words(self, consortium, job_id, site):
        return consortium.status(job_id)["sites"].get(site, "")

    def test_a_job_waits_until_somebody_approves_it(self):
        with consortium_of("east", "north") as consortium:
            self.start(consortium)
            job_id = consortium.submit(job(federation={"rounds": 2, "minimum_sites": 2}))
            offered = self.wait_offered(consortium, "east", job_id)
            self.assertEqual(offered["researcher"], "ada")
            eventually(lambda: self.site_words(consortium, job_id, "east") == "waits for approval", "the coordinator says so")
            self.assertIn("waits for approval at east", consortium.status(job_id)["detail"])
            shown = consortium.at_site("east", "show", job_id).stdout
            for words in ("ada (signature verified)", "layers of the researcher's own", "can be made to copy images out",
                          "2 updates and 3 counts of this hospital", "waits for approval"):
                self.assertIn(words, shown)
            consortium.approve("east", job_id)
            self.assertIn("Approved job", consortium.approve("north", offered["digest"][:8]).stdout)
            self.assertEqual(consortium.wait_ended(job_id)["phase"], "finished")
            self.wait_offered(consortium, "east", job_id, "approved")

    def test_a_job_that_is_declined_ends_and_the_reason_has_no_value(self):
        with consortium_of("east", "north") as consortium:
            self.start(consortium)
            job_id = consortium.submit(job(federation={"rounds": 2, "minimum_sites": 2, "sites": ["east", "north"]}))
            self.wait_offered(consortium, "east", job_id)
            self.assertIn("Declined job", consortium.at_site("east", "decline", job_id).stdout)
            ended = consortium.wait_ended(job_id)
            self.assertEqual(ended["phase"], "failed")
            self.assertIn("east: declined: declined", ended["detail"])

            strict = consortium.folder / "east" / "policy.yaml"
            strict.write_text(POLICY.replace("max_rounds: 1000", "max_rounds: 1"))
            eventually(lambda: "policy.yaml again" in consortium.daemons["east"].log, "the policy is read again")
            job_id = consortium.submit(job(seed=8, federation={"rounds": 2, "minimum_sites": 2, "sites": ["east", "north"]}))
            ended = consortium.wait_ended(job_id)
            self.assertIn("east: declined: max_rounds", ended["detail"])
            self.assertNotIn("at most 1", ended["detail"])
            self.assertIn("the policy allows at most 1", consortium.daemons["east"].log)

    def test_a_listed_researcher_needs_no_approval_but_for_layers(self):
        with consortium_of("east") as consortium:
            self.start(consortium, "researchers: [ada]\n" + POLICY)
            named = consortium.submit(named_job(federation={"rounds": 1}))
            self.assertEqual(consortium.wait_ended(named)["phase"], "finished")
            layered = consortium.submit(job(federation={"rounds": 1}))
            self.wait_offered(consortium, "east", layered)

    def test_the_same_job_is_not_served_under_a_second_id(self):
        with consortium_of("east") as consortium:
            self.start(consortium, "researchers: [ada]\n" + POLICY)
            spec = named_job(federation={"rounds": 1, "sites": ["east"]})
            self.assertEqual(consortium.wait_ended(consortium.submit(spec))["phase"], "finished")
            again = consortium.wait_ended(consortium.submit(spec))
            self.assertIn("east: declined: job_id", again["detail"])

    def test_a_researcher_who_leaves_the_roster_is_refused_without_a_restart(self):
        with consortium_of("east") as consortium:
            self.start(consortium, "researchers: [ada]\n" + POLICY)
            roster = consortium.folder / "east" / "roster.yaml"
            whole = roster.read_text()
            roster.write_text(whole[:whole.index("researchers:")])
            os.kill(consortium.daemons["east"].pid, signal.SIGHUP)
            eventually(lambda: "roster.yaml again" in consortium.daemons["east"].log, "the roster is read again")
            spec = named_job(federation={"rounds": 1, "sites": ["east"]})
            self.assertIn("east: declined: signature", consortium.wait_ended(consortium.submit(spec))["detail"])

            roster.write_text("sites: 7\n")
            eventually(lambda: "the roster read before stays in force" in consortium.daemons["east"].log, "a broken roster is refused")
            self.assertIn("roster.yaml: ", consortium.daemons["east"].log)
            self.assertIsNone(consortium.daemons["east"].process.poll())

    def test_a_job_that_a_researcher_signed_for_too_short_a_time_is_refused(self):
        with consortium_of("east") as consortium:
            self.start(consortium)
            file = consortium.folder / "job.yaml"
            file.write_text(json.dumps(job()))
            refused = consortium.command("submit", file, "--valid-for", "0s", check=False)
            self.assertEqual(refused.returncode, 2)
            self.assertIn("--valid-for", refused.stderr)

    def test_the_commands_work_without_a_daemon_and_refuse_what_they_do_not_know(self):
        with consortium_of("east") as consortium:
            self.start(consortium)
            job_id = consortium.submit(job(federation={"rounds": 1}))
            self.wait_offered(consortium, "east", job_id)
            consortium.daemons["east"].terminate()
            self.assertIn("waits for approval", consortium.at_site("east", "jobs").stdout)
            consortium.approve("east", job_id)
            unknown = consortium.at_site("east", "decline", "another-1", check=False)
            self.assertEqual(unknown.returncode, 1)
            self.assertIn("no offered job has the id or digest 'another-1'", unknown.stderr)
            consortium.start_site("east", {"chest": consortium.folder / "east.npz"})
            self.assertEqual(consortium.wait_ended(job_id)["phase"], "finished")

    def test_every_command_explains_itself(self):
        for command in ("jobs", "show", "approve", "decline", "releases"):
            told = run("consilium-client", command, "--help").stdout
            self.assertIn("Examples:", told)
            self.assertIn("Exit codes:", told)


if __name__ == "__main__":
    unittest.main(verbosity=2)
